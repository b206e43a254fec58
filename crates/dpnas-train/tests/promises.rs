//! What a fit promises: the same bits for any number of threads, when it stops, what it learns and what it refuses.

use dpnas_seed::Seed;
use dpnas_train::{Epoch, Fitted, Labelled, LinearClassifier, ProbeConfig, Split, Stop, TestSchedule, TrainError, fit};
use proptest::prelude::*;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

fn go_on(_: &Epoch) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn threads(threads: usize) -> NonZeroUsize {
    NonZeroUsize::new(threads).unwrap()
}

/// Rows of noise around one corner for each class, and their labels.
fn separable(rows: usize, features: usize, classes: u32, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut values = vec![0.0; rows * features];
    Seed(seed).stream("rows", 0).fill_uniform(0, -0.3, 0.3, &mut values);
    let labels: Vec<u32> = (0..rows as u32).map(|row| row % classes).collect();
    for (row, &label) in values.chunks_mut(features).zip(&labels) {
        row[label as usize % features] += 1.0;
    }
    (values, labels)
}

fn bits(fitted: &Fitted) -> (Vec<u32>, Vec<u64>) {
    let weights = fitted.classifier.weights().iter().map(|w| w.to_bits()).collect();
    let epochs = fitted.report.epochs.iter().flat_map(|e| {
        [e.train_accuracy, e.train_loss, e.valid_accuracy, e.test_accuracy.unwrap_or(-1.0)].map(f64::to_bits)
    });
    (weights, epochs.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_number_of_threads_gives_the_same_bits(
        seed: u64,
        features in prop_oneof![1usize..40, 500usize..530, 1_000usize..2_100],
        classes in prop_oneof![1u32..24, 90u32..110],
        batch_size in 1usize..50,
        drop_out in prop_oneof![Just(0.0f32), Just(0.4f32)],
        rows in 30usize..60,
    ) {
        let (values, labels) = separable(rows, features, classes, seed);
        let cut = rows - 20;
        let train = Labelled::new(&values[..cut * features], &labels[..cut], features).unwrap();
        let valid = Labelled::new(&values[cut * features..], &labels[cut..], features).unwrap();
        let config = ProbeConfig {
            epochs: 2, batch_size, drop_out, test: TestSchedule::EveryEpoch, ..ProbeConfig::paper(Seed(seed))
        };
        let run = |n: usize| {
            let config = ProbeConfig { threads: threads(n), ..config.clone() };
            fit(&config, classes, train, valid, Some(train), &mut go_on).unwrap()
        };
        let one = run(1);
        // The finished classifier sees what training saw.
        let last = one.report.epochs.last().unwrap();
        prop_assert_eq!(one.classifier.accuracy(&values[cut * features..], &labels[cut..]).unwrap(), last.valid_accuracy);
        prop_assert_eq!(Some(one.classifier.accuracy(&values[..cut * features], &labels[..cut]).unwrap()), last.test_accuracy);
        for n in [2, 3, 7] {
            prop_assert_eq!(bits(&run(n)), bits(&one));
        }
    }
}

#[test]
fn a_separable_problem_is_learnt_and_shuffled_labels_are_not() {
    let (values, labels) = separable(700, 40, 5, 1);
    let config = ProbeConfig { learning_rate: 0.03, epochs: 40, threads: threads(2), ..ProbeConfig::paper(Seed(1)) };
    let run = |labels: &[u32]| {
        let train = Labelled::new(&values[..500 * 40], &labels[..500], 40).unwrap();
        let valid = Labelled::new(&values[500 * 40..], &labels[500..], 40).unwrap();
        fit(&config, 5, train, valid, Some(valid), &mut go_on).unwrap().report
    };
    let learnt = run(&labels);
    assert_eq!((learnt.reward(), learnt.test_accuracy, learnt.stop), (1.0, 1.0, Stop::Completed));
    assert_eq!(learnt.epochs[39].train_accuracy, 1.0);
    assert!(learnt.epochs[39].train_loss < 0.2 * learnt.epochs[0].train_loss);
    let mut shuffled = labels;
    Seed(2).stream("labels", 0).rng().shuffle(&mut shuffled);
    let reward = run(&shuffled).reward();
    assert!((0.05..0.35).contains(&reward), "{reward} is far from one in five");
}

#[test]
fn a_hopeless_fit_stops_after_the_tenth_epoch() {
    // Validation labels are never the class that is learnt.
    let (values, train_labels, valid_labels) = (vec![1.0_f32; 30 * 4], vec![0; 30], vec![1; 30]);
    let train = Labelled::new(&values, &train_labels, 4).unwrap();
    let valid = Labelled::new(&values, &valid_labels, 4).unwrap();
    let paper = ProbeConfig { learning_rate: 0.5, epochs: 13, ..ProbeConfig::paper(Seed(1)) };
    let run = |config: &ProbeConfig, valid| fit(config, 2, train, valid, Some(train), &mut go_on).unwrap().report;

    let stopped = run(&paper, valid);
    assert_eq!((stopped.stop, stopped.epochs.len()), (Stop::EarlyStopped { epoch: 10 }, 10));
    assert_eq!((stopped.train_flag(), stopped.test_accuracy, stopped.reward()), (false, 0.0, 0.0));

    let every = run(&ProbeConfig { test: TestSchedule::EveryEpoch, ..paper.clone() }, valid);
    assert_eq!(every.epochs[9].test_accuracy, Some(1.0));
    assert_eq!((every.stop, every.test_accuracy), (Stop::EarlyStopped { epoch: 10 }, 0.0));

    for completed in [
        run(&paper, train),
        run(&ProbeConfig { early_stopping_threshold: 0.0, ..paper.clone() }, valid),
        run(&ProbeConfig { epochs: 9, ..paper.clone() }, valid),
    ] {
        assert_eq!((completed.stop, completed.train_flag()), (Stop::Completed, true));
        assert_eq!(completed.test_accuracy, 1.0);
    }
    assert_eq!(run(&ProbeConfig { early_stopping_epoch: 3, ..paper }, valid).stop, Stop::EarlyStopped { epoch: 3 });
}

#[test]
fn an_accuracy_at_the_threshold_does_not_stop() {
    // 3 of 20 validation rows are right: the mean of five times 0.15 is compared with 0.15.
    let values = vec![1.0_f32; 20];
    let valid_labels: Vec<u32> = (0..20).map(|row| u32::from(row >= 3)).collect();
    let train = Labelled::new(&values, &[0; 20], 1).unwrap();
    let valid = Labelled::new(&values, &valid_labels, 1).unwrap();
    let config = ProbeConfig { learning_rate: 0.5, epochs: 11, ..ProbeConfig::paper(Seed(1)) };
    let run = |threshold: f64| {
        let config = ProbeConfig { early_stopping_threshold: threshold, ..config.clone() };
        fit(&config, 2, train, valid, None, &mut go_on).unwrap().report
    };
    let report = run(0.15);
    assert_eq!((report.stop, report.epochs.len(), report.test_accuracy), (Stop::Completed, 11, 0.0));
    assert_eq!(run(0.1501).stop, Stop::EarlyStopped { epoch: 10 });
}

#[test]
fn the_hook_sees_every_epoch_and_can_end_the_fit() {
    let (values, labels) = separable(60, 600, 3, 4);
    let set = Labelled::new(&values, &labels, 600).unwrap();
    let config = ProbeConfig { epochs: 6, threads: threads(2), ..ProbeConfig::paper(Seed(4)) };
    let mut seen = Vec::new();
    let report = fit(&config, 3, set, set, Some(set), &mut |epoch| {
        seen.push(*epoch);
        if epoch.index == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap()
    .report;
    assert_eq!((report.stop, report.test_accuracy, report.train_flag()), (Stop::Cancelled, 0.0, true));
    assert_eq!(seen, report.epochs);
    assert_eq!(seen.iter().map(|epoch| epoch.index).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(seen.iter().all(|epoch| epoch.test_accuracy.is_none()));
    let whole = fit(&config, 3, set, set, Some(set), &mut |epoch| {
        if epoch.index == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(whole.unwrap().report.stop, Stop::Completed);
}

#[test]
fn a_panicking_hook_ends_the_threads() {
    let (values, labels) = separable(20, 2_000, 2, 4);
    let set = Labelled::new(&values, &labels, 2_000).unwrap();
    let config = ProbeConfig { threads: threads(3), ..ProbeConfig::paper(Seed(4)) };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        fit(&config, 2, set, set, None, &mut |_| std::panic::resume_unwind(Box::new("on purpose")))
    }));
    assert!(outcome.is_err());
}

#[test]
fn drop_out_changes_training_but_not_evaluation() {
    let (values, labels) = separable(80, 90, 4, 6);
    let set = Labelled::new(&values, &labels, 90).unwrap();
    let plain = ProbeConfig { epochs: 3, learning_rate: 0.01, ..ProbeConfig::paper(Seed(6)) };
    let dropping = ProbeConfig { drop_out: 0.5, ..plain.clone() };
    let run = |config: &ProbeConfig| fit(config, 4, set, set, None, &mut go_on).unwrap();
    let (without, with) = (run(&plain), run(&dropping));
    assert_ne!(without.classifier.weights(), with.classifier.weights());
    assert!(with.report.epochs[2].train_loss > without.report.epochs[2].train_loss);
    assert_eq!(with.classifier.accuracy(&values, &labels).unwrap(), with.report.epochs[2].valid_accuracy);
}

#[test]
fn scores_are_rows_times_weights_and_ties_go_to_the_lowest_class() {
    let weights = vec![1.0, 0.0, 0.0, 2.0, 1.0, 0.0]; // [3 classes, 2 features]
    let classifier = LinearClassifier::from_weights(weights, 3, 2).unwrap();
    let rows = [3.0_f32, 1.0, -1.0, 0.5];
    assert_eq!(classifier.logits(&rows).unwrap(), [3.0, 2.0, 3.0, -1.0, 1.0, -1.0]);
    assert_eq!(classifier.accuracy(&rows, &[0, 1]).unwrap(), 1.0);
    assert_eq!(classifier.accuracy(&rows, &[2, 1]).unwrap(), 0.5);
    let error = classifier.logits(&rows[..3]).unwrap_err();
    assert_eq!(error, TrainError::LengthMismatch { values: 3, labels: 1, features: 2 });
}

#[test]
fn initial_weights_are_uniform_and_follow_the_seed() {
    let initial = |seed| LinearClassifier::initial(Seed(seed), 10, 400).unwrap();
    let classifier = initial(1);
    assert!(classifier.weights().iter().all(|w| w.abs() <= 0.05));
    assert!(classifier.weights().iter().any(|w| *w > 0.049) && classifier.weights().iter().any(|w| *w < -0.049));
    assert_eq!(initial(1), classifier);
    assert_ne!(initial(2), classifier);
    let too_many = TrainError::TooManyWeights { classes: u32::MAX, features: usize::MAX };
    assert_eq!(LinearClassifier::initial(Seed(1), u32::MAX, usize::MAX), Err(too_many));
}

#[test]
fn wrong_input_is_refused_with_a_name() {
    let values = [0.5_f32; 8];
    let good = Labelled::new(&values, &[0, 1, 0, 1], 2).unwrap();
    let config = ProbeConfig::paper(Seed(1));
    let run = |config: &ProbeConfig, classes, train, valid, test| {
        fit(config, classes, train, valid, test, &mut go_on).unwrap_err()
    };
    let wrong = ProbeConfig { batch_size: 0, ..config.clone() };
    assert_eq!(run(&wrong, 2, good, good, None).to_string(), "setting `batch_size` is 0, but must be at least 1");
    assert_eq!(run(&config, 0, good, good, None), TrainError::NoClasses);
    let wider = Labelled::new(&values, &[0, 1], 4).unwrap();
    assert_eq!(run(&config, 2, good, wider, None), TrainError::LengthMismatch { values: 8, labels: 2, features: 2 });
    let empty = Labelled::new(&[], &[], 2).unwrap();
    assert_eq!(run(&config, 2, empty, good, None), TrainError::EmptySet { split: Split::Train });
    assert_eq!(run(&config, 2, good, empty, None), TrainError::EmptySet { split: Split::Valid });
    assert_eq!(run(&config, 2, good, good, Some(empty)).to_string(), "the test set is empty: give at least one row");
    let labels = Labelled::new(&values, &[0, 1, 5, 1], 2).unwrap();
    assert_eq!(
        run(&config, 2, good, labels, None).to_string(),
        "label 5 of validation row 2 is not below the number of classes, 2"
    );
}

#[test]
fn numbers_that_are_not_finite_are_an_error() {
    let (values, labels) = separable(300, 600, 3, 9);
    let good = Labelled::new(&values, &labels, 600).unwrap();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = values.clone();
        values[299 * 600 + 599] = bad;
        let bad = Labelled::new(&values, &labels, 600).unwrap();
        for n in [1, 2] {
            let config = ProbeConfig { epochs: 2, threads: threads(n), ..ProbeConfig::paper(Seed(1)) };
            let run = |train, valid, test| fit(&config, 3, train, valid, test, &mut go_on).unwrap_err();
            assert_eq!(run(bad, good, None), TrainError::NotFinite { split: Split::Train, epoch: 1 });
            assert_eq!(run(good, bad, None), TrainError::NotFinite { split: Split::Valid, epoch: 1 });
            assert_eq!(run(good, good, Some(bad)), TrainError::NotFinite { split: Split::Test, epoch: 2 });
        }
        let classifier = LinearClassifier::initial(Seed(1), 3, 600).unwrap();
        assert_eq!(classifier.accuracy(&values, &labels), Err(TrainError::ScoreNotFinite { row: 299 }));
    }
}
