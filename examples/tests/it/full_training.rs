//! Scoring by full training, and fully connected layers on a frozen embedding.

use crate::engine::{Toy, config, data, evaluator};
use dpnas::full::{BEST_CHECKPOINT, LAST_CHECKPOINT};
use dpnas::grammar::{Net, Plan};
use dpnas::prior::Precision;
use dpnas::seed::Seed;
use dpnas::train::{Epoch, FullConfig, FullError, RateSchedule, Split, TrainEngine, TrainJob, TrainReport};
use dpnas::{Evaluate, EvaluateDraw, FullTraining, FullTrainingConfig, Metrics, Outcome, ScoreError, Splits};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const NET: &str = "[C(6,3,1,1,1), P(2,2,0,0), FC(8), SM(4)]";

fn net(text: &str) -> Net {
    text.parse().unwrap()
}

fn flex() -> Box<dyn TrainEngine> {
    dpnas_devices::Device::Flex.trainer().unwrap()
}

fn full_config() -> FullTrainingConfig {
    let mut config = FullTrainingConfig::paper(Seed(1));
    config.training.probe.epochs = 6;
    config.training.probe.batch_size = 16;
    config.training.probe.learning_rate = 0.01;
    config
}

fn full(engine: Box<dyn TrainEngine>, config: FullTrainingConfig) -> FullTraining {
    FullTraining::new(engine, Splits::hold_out(&data(), Seed(1)).unwrap(), config)
}

fn scored(outcome: Outcome) -> Metrics {
    match outcome {
        Outcome::Scored(score) => score,
        other => panic!("{other:?}"),
    }
}

/// An engine that fails, and records its jobs.
#[derive(Debug)]
struct Failing {
    error: fn() -> FullError,
    asked: Arc<Mutex<Vec<String>>>,
}

impl TrainEngine for Failing {
    fn name(&self) -> &str {
        "failing"
    }

    fn version(&self) -> u32 {
        1
    }

    fn memory(&self, _: &Plan, _: &FullConfig, _: usize) -> u64 {
        0
    }

    fn train(&self, job: &TrainJob<'_>, _: &mut dyn FnMut(&Epoch)) -> Result<TrainReport, FullError> {
        let TrainJob { plan, weight_seed, .. } = job;
        self.asked.lock().unwrap().push(format!("{} on {} by {}", plan.net(), plan.input(), weight_seed.0));
        Err((self.error)())
    }
}

fn failing(error: fn() -> FullError) -> Box<dyn TrainEngine> {
    Box::new(Failing { error, asked: Arc::default() })
}

#[test]
fn an_architecture_is_trained_and_scored() {
    let epochs = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&epochs);
    let evaluator = full(flex(), full_config()).with_epoch_hook(move |net, epoch| {
        seen.lock().unwrap().push((net.to_string(), epoch.index));
    });
    let score = scored(evaluator.score(&net(NET)).unwrap());
    assert!(score.reward > 0.5, "{score:?}");
    assert!(score.test_accuracy > 0.5 && score.train_flag && score.test_accuracies.is_empty());
    assert!((score.reward - score.valid_accuracy[1..].iter().sum::<f64>() / 5.0).abs() < 1e-12);
    let expected: Vec<(String, u32)> = (1..=6).map(|epoch| (NET.to_owned(), epoch)).collect();
    assert_eq!(*epochs.lock().unwrap(), expected);
    // The same draw gives the same score, another one gives another.
    assert_eq!(scored(evaluator.evaluate_draw(&net(NET), Seed(1)).unwrap()), score);
    assert_ne!(scored(evaluator.evaluate_draw(&net(NET), Seed(2)).unwrap()), score);
}

#[test]
fn each_net_and_draw_has_its_folder_of_checkpoints_and_is_not_trained_again() {
    let folder = tempfile::tempdir().unwrap();
    let open = |engine| full(engine, full_config()).with_checkpoints(folder.path());
    let score = scored(open(flex()).score(&net(NET)).unwrap());
    open(flex()).evaluate_draw(&net(NET), Seed(2)).unwrap();
    for seed in [1, 2] {
        let own = folder.path().join(FullTraining::checkpoint_folder(&net(NET), Seed(seed)));
        assert!(own.join(LAST_CHECKPOINT).is_file() && own.join(BEST_CHECKPOINT).is_file());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    let epochs = Arc::new(AtomicBool::new(false));
    let trained = Arc::clone(&epochs);
    let again = open(flex()).with_epoch_hook(move |_, _| trained.store(true, Ordering::Relaxed));
    assert_eq!(scored(again.score(&net(NET)).unwrap()), score);
    assert!(!epochs.load(Ordering::Relaxed), "trained again");
}

#[test]
fn what_goes_wrong_in_a_training_is_an_outcome_or_an_error() {
    let score = |error| full(failing(error), full_config()).score(&net(NET));
    let diverged = score(|| FullError::NotFinite { split: Split::Train, epoch: 3 }).unwrap();
    assert!(matches!(&diverged, Outcome::Rejected { reason } if reason.contains("in epoch 3")), "{diverged:?}");
    let large = score(|| FullError::OverBudget { batch: 16, needed: 8, budget: 4 }).unwrap();
    assert!(matches!(&large, Outcome::OutOfMemory { reason } if reason.contains("needs 8 bytes")), "{large:?}");
    assert!(matches!(score(|| FullError::Interrupted), Err(ScoreError::Interrupted)));
    let device = || FullError::Device { engine: "failing".into(), message: "no".into() };
    assert!(matches!(score(device), Err(ScoreError::Full(FullError::Device { .. }))));
    let full_device = || FullError::OutOfMemory { engine: "failing".into(), message: "no room".into() };
    let large = score(full_device).unwrap();
    assert!(
        matches!(&large, Outcome::OutOfMemory { reason } if reason == "failing is out of memory: no room"),
        "{large:?}"
    );
    let error = full(flex(), full_config()).score(&net("[C(6,9,1,0,1), SM(4)]")).unwrap_err();
    assert!(matches!(error, ScoreError::Plan(_)), "{error}");
}

/// A device with memory for two images at once.
#[derive(Debug)]
struct Small(Box<dyn TrainEngine>);

impl TrainEngine for Small {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn version(&self) -> u32 {
        self.0.version()
    }

    fn memory(&self, plan: &Plan, config: &FullConfig, images: usize) -> u64 {
        self.0.memory(plan, config, images)
    }

    fn train(&self, job: &TrainJob<'_>, on_epoch: &mut dyn FnMut(&Epoch)) -> Result<TrainReport, FullError> {
        if job.largest_chunk.get() > 2 {
            return Err(FullError::OutOfMemory { engine: "small".into(), message: "no room".into() });
        }
        self.0.train(job, on_epoch)
    }
}

#[test]
fn a_device_that_is_out_of_memory_trains_with_fewer_images_at_once_and_to_the_same_bits() {
    let whole = scored(full(flex(), full_config()).score(&net(NET)).unwrap());
    let small = full(Box::new(Small(flex())), full_config());
    assert_eq!(scored(small.score(&net(NET)).unwrap()), whole);
}

#[test]
fn a_stop_flag_interrupts_a_training() {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let evaluator = full(flex(), full_config())
        .with_stop_flag(Arc::clone(&stop))
        .with_epoch_hook(move |_, epoch| flag.store(epoch.index == 2, Ordering::Relaxed));
    assert!(matches!(evaluator.score(&net(NET)), Err(ScoreError::Interrupted)));
}

#[test]
fn the_identity_names_what_decides_a_full_training() {
    let identity = |change: &dyn Fn(&mut FullTrainingConfig)| {
        let mut config = full_config();
        change(&mut config);
        let evaluator = full(failing(|| FullError::Interrupted), config);
        (Evaluate::identity(&evaluator), EvaluateDraw::identity(&evaluator))
    };
    let base = identity(&|_| {});
    let changes: [&dyn Fn(&mut FullTrainingConfig); 6] = [
        &|config| config.init = dpnas::prior::WeightInit::Orthogonal,
        &|config| config.training.probe.learning_rate = 0.5,
        &|config| config.training.schedule = RateSchedule::Cosine,
        &|config| config.training.probe.drop_out = 0.5,
        &|config| config.training.norm_epsilon = 0.5,
        &|config| config.training.probe.seed = Seed(9),
    ];
    for change in changes {
        let other = identity(change);
        assert!(other.0 != base.0 && other.1 != base.1, "{other:?}");
    }
    // The draw is no part of what all draws have in common; memory decides nothing.
    let other = identity(&|config| config.weight_seed = Seed(9));
    assert!(other.0 != base.0 && other.1 == base.1, "{other:?}");
    assert_eq!(identity(&|config| config.memory_budget = 1), base);
}

#[test]
fn fully_connected_layers_are_trained_on_the_frozen_embedding() {
    let score = |text: &str| {
        let mut config = config();
        config.probe.learning_rate = 0.01;
        scored(evaluator(&Toy::default(), config).with_trainer(flex()).score(&net(text)).unwrap())
    };
    let with = score("[C(8,3,1,1,1), P(2,2,0,0), FC(16), SM(4)]");
    assert!(with.reward > 0.5, "{with:?}");
    assert_eq!(with.valid_accuracy.len(), 6);
    assert_ne!(with, score("[C(8,3,1,1,1), P(2,2,0,0), FC(8), SM(4)]"));
    assert_eq!(with, score("[C(8,3,1,1,1), P(2,2,0,0), FC(16), SM(4)]"));

    // On rows of bf16, too, the same as of the same rows of f32.
    let halved = |says| {
        let toy = Toy { rows: Some([Precision::Bf16, says]), ..Toy::default() };
        let net = net("[C(8,3,1,1,1), P(2,2,0,0), FC(16), SM(4)]");
        scored(evaluator(&toy, config()).with_trainer(flex()).score(&net).unwrap())
    };
    assert_eq!(halved(Precision::Bf16), halved(Precision::F32));

    let asked = Arc::new(Mutex::new(Vec::new()));
    let trainer =
        Failing { error: || FullError::NotFinite { split: Split::Valid, epoch: 1 }, asked: Arc::clone(&asked) };
    let evaluator = evaluator(&Toy::default(), config()).with_trainer(Box::new(trainer));
    let outcome = evaluator.score(&net("[C(8,3,1,1,1), P(2,2,0,0), FC(16), FC(8), SM(4)]")).unwrap();
    assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
    assert_eq!(*asked.lock().unwrap(), ["[FC(16), FC(8), SM(4)] on 128x1x1 by 1"]);
}
