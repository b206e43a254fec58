//! Scoring one architecture.

use crate::engine::{Toy, config, data, evaluator};
use dpnas::cache::Cache;
use dpnas::grammar::Net;
use dpnas::prior::{NormMode, Normalisation};
use dpnas::seed::Seed;
use dpnas::train::TestSchedule;
use dpnas::{Evaluate, EvaluateDraw, Metrics, Outcome, ScoreError, Splits};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const NET: &str = "[C(8,3,1,1,1), P(2,2,0,0), SM(4)]";

fn net(text: &str) -> Net {
    text.parse().unwrap()
}

fn scored(outcome: Outcome) -> Metrics {
    match outcome {
        Outcome::Scored(score) => score,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_score_has_every_epoch_and_its_reward_is_the_mean_of_the_last_five() {
    let score = scored(evaluator(&Toy::default(), config()).score(&net(NET)).unwrap());
    assert_eq!((score.valid_accuracy.len(), score.train_accuracy.len()), (6, 6));
    assert!((score.reward - score.valid_accuracy[1..].iter().sum::<f64>() / 5.0).abs() < 1e-12);
    assert!(score.train_flag);
    assert!(score.best_valid() >= score.reward);
}

#[test]
fn a_draw_is_scored_as_if_the_configuration_had_its_seed() {
    let evaluator = evaluator(&Toy::default(), config());
    let net = net(NET);
    assert_eq!(evaluator.evaluate_draw(&net, config().weight_seed).unwrap(), evaluator.score(&net).unwrap());
    let other = scored(evaluator.evaluate_draw(&net, Seed(77)).unwrap());
    assert_ne!(other, scored(evaluator.score(&net).unwrap()));
    let mut config = config();
    config.weight_seed = Seed(77);
    assert_eq!(scored(crate::engine::evaluator(&Toy::default(), config).score(&net).unwrap()), other);
}

#[test]
fn every_test_accuracy_is_kept_where_the_schedule_asks_for_it() {
    let last = scored(evaluator(&Toy::default(), config()).score(&net(NET)).unwrap());
    assert!(last.test_accuracies.is_empty());
    let mut config = config();
    config.probe.test = TestSchedule::EveryEpoch;
    let every = scored(evaluator(&Toy::default(), config).score(&net(NET)).unwrap());
    assert_eq!(every.test_accuracies.len(), 6);
    assert_eq!(every.test_accuracies[5], every.test_accuracy);
    assert_eq!(Metrics { test_accuracies: Vec::new(), ..every }, last);
}

#[test]
fn the_identity_of_a_scorer_leaves_the_draw_open_and_that_of_a_search_does_not() {
    let identities = |seed: u64| {
        let mut config = config();
        config.weight_seed = Seed(seed);
        let evaluator = evaluator(&Toy::default(), config);
        (EvaluateDraw::identity(&evaluator), Evaluate::identity(&evaluator))
    };
    assert_eq!(identities(1).0, identities(2).0);
    assert_ne!(identities(1).1, identities(2).1);
    assert_ne!(identities(1).0, identities(1).1);
}

#[test]
fn calibration_uses_no_more_images_than_asked_for() {
    let toy = Toy::default();
    let mut config = config();
    config.calibration_images = NonZeroUsize::new(50).unwrap();
    config.largest_chunk = NonZeroUsize::new(40).unwrap();
    evaluator(&toy, config).score(&net(NET)).unwrap();
    let used = toy.used.lock().unwrap();
    assert_eq!(used.measured, [50]);
    // 108 training, 12 validation and 30 test images.
    assert_eq!(used.encoded, [40, 40, 28, 12, 30]);
}

#[test]
fn mini_batch_statistics_follow_the_order_of_the_images() {
    let toy = Toy::default();
    let mut config = config();
    config.norm = Normalisation { mode: NormMode::Reference, epsilon: 1e-4 };
    let evaluator = evaluator(&toy, config);
    evaluator.score(&net(NET)).unwrap();
    let used = toy.used.lock().unwrap();
    assert_eq!(used.measured, [16, 16, 16, 16, 16, 16, 12]);
    let train = &evaluator.splits().train;
    let expected: Vec<f32> = (0..7).map(|batch| train.image(batch * 16)[0]).collect();
    assert_eq!(used.first_pixels, expected);
}

#[test]
fn without_normalisation_nothing_is_measured() {
    for norm in [
        Normalisation { mode: NormMode::None, epsilon: 1e-4 },
        Normalisation { mode: NormMode::Calibrated, epsilon: 0.0 },
    ] {
        let toy = Toy::default();
        let mut config = config();
        config.norm = norm;
        evaluator(&toy, config).score(&net(NET)).unwrap();
        assert!(toy.used.lock().unwrap().measured.is_empty());
    }
}

#[test]
fn a_second_score_comes_from_the_cache_and_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let toy = Toy::default();
    let open = || evaluator(&toy, config()).with_cache(Cache::open(folder.path(), 1 << 20).unwrap());
    let first = scored(open().score(&net(NET)).unwrap());
    let calls = toy.used.lock().unwrap().encoded.len();
    assert_eq!(scored(open().score(&net(NET)).unwrap()), first);
    assert_eq!(toy.used.lock().unwrap().encoded.len(), calls, "embedded again");
    // The classifier is not part of the key, so more classes use the same embedding.
    let other = scored(open().score(&net("[C(8,3,1,1,1), P(2,2,0,0), SM(7)]")).unwrap());
    assert_eq!(other, first);
    assert_eq!(toy.used.lock().unwrap().encoded.len(), calls, "embedded again");
}

#[test]
fn what_decides_an_embedding_is_in_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let toy = Toy::default();
    let score = |change: &dyn Fn(&mut dpnas::DeepPriorConfig)| {
        let mut config = config();
        change(&mut config);
        let before = toy.used.lock().unwrap().encoded.len();
        let evaluator = evaluator(&toy, config).with_cache(Cache::open(folder.path(), 1 << 20).unwrap());
        evaluator.score(&net(NET)).unwrap();
        toy.used.lock().unwrap().encoded.len() > before
    };
    assert!(score(&|_| {}), "the first one is computed");
    assert!(!score(&|_| {}));
    assert!(score(&|config| config.weight_seed = dpnas::seed::Seed(9)));
    assert!(score(&|config| config.init = dpnas::prior::WeightInit::Orthogonal));
    assert!(score(&|config| config.norm.mode = NormMode::None));
    assert!(score(&|config| config.norm.mode = NormMode::Reference));
    assert!(score(&|config| config.norm.epsilon = 1e-3));
    assert!(score(&|config| config.calibration_images = NonZeroUsize::new(7).unwrap()));
    assert!(score(&|config| config.probe.seed = dpnas::seed::Seed(9)));
    // Settings of memory and of the classifier are not part of the key.
    assert!(!score(&|config| config.largest_chunk = NonZeroUsize::new(3).unwrap()));
    assert!(!score(&|config| config.memory_budget = 1 << 20));
    assert!(!score(&|config| config.probe.epochs = 2));
}

#[test]
fn a_damaged_entry_is_computed_again() {
    let folder = tempfile::tempdir().unwrap();
    let toy = Toy::default();
    let open = || evaluator(&toy, config()).with_cache(Cache::open(folder.path(), 1 << 20).unwrap());
    let first = scored(open().score(&net(NET)).unwrap());
    for entry in std::fs::read_dir(folder.path()).unwrap().flatten() {
        let mut bytes = std::fs::read(entry.path()).unwrap();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
            std::fs::write(entry.path(), bytes).unwrap();
        }
    }
    let calls = toy.used.lock().unwrap().encoded.len();
    assert_eq!(scored(open().score(&net(NET)).unwrap()), first);
    assert!(toy.used.lock().unwrap().encoded.len() > calls);
}

#[test]
fn an_embedding_that_is_not_finite_is_rejected() {
    let toy = Toy { broken: Some("C(8,"), ..Toy::default() };
    let outcome = evaluator(&toy, config()).score(&net(NET)).unwrap();
    assert_eq!(outcome, Outcome::Rejected { reason: "the embedding has infinite or undefined values".into() });
}

#[test]
fn a_stop_flag_interrupts_and_fully_connected_layers_are_refused() {
    let stop = Arc::new(AtomicBool::new(false));
    let evaluator = evaluator(&Toy::default(), config()).with_stop_flag(Arc::clone(&stop));
    let error = evaluator.score(&net("[C(8,3,1,1,1), P(2,2,0,0), FC(32), SM(4)]")).unwrap_err();
    assert!(matches!(error, ScoreError::LinearLayers { .. }), "{error}");
    stop.store(true, Ordering::Relaxed);
    assert!(matches!(evaluator.score(&net(NET)), Err(ScoreError::Interrupted)));
    assert!(matches!(evaluator.pixel_baseline(), Err(ScoreError::Interrupted)));
}

#[test]
fn the_calibration_set_is_a_seeded_subset_and_not_the_first_images() {
    let splits = Splits::hold_out(&data(), dpnas::seed::Seed(1)).unwrap();
    let subset = |seed| splits.calibration_set(20, dpnas::seed::Seed(seed));
    assert_eq!(subset(1), subset(1));
    assert_ne!(subset(1), subset(2));
    assert_ne!(subset(1), splits.train.first(20));
    let position = |image: &[f32]| (0..splits.train.len()).position(|i| splits.train.image(i) == image).unwrap();
    let positions: Vec<usize> = (0..20).map(|i| position(subset(1).image(i))).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    assert_eq!(splits.calibration_set(1000, dpnas::seed::Seed(1)), splits.train);
}

#[test]
fn splits_are_a_seeded_tenth_and_their_fingerprint_follows_the_seed() {
    let data = data();
    let split = |seed| Splits::hold_out(&data, dpnas::seed::Seed(seed)).unwrap();
    let one = split(1);
    assert_eq!((one.train.len(), one.valid.len(), one.test.len()), (108, 12, 30));
    assert_eq!(one.fingerprint(), split(1).fingerprint());
    assert_ne!(one.fingerprint(), split(2).fingerprint());
}
