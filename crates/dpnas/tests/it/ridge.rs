//! The closed-form head as the classifier of deep priors.

use crate::engine::{Toy, config, data_of};
use dpnas::heads::{HeadError, leave_one_out};
use dpnas::prior::Precision;
use dpnas::seed::Seed;
use dpnas::{
    DeepPrior, DeepPriorConfig, Evaluate, Head, Metrics, Outcome, RowPlace, ScoreError, Splits, pixel_baseline,
};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const NET: &str = "[C(8,3,1,1,1), P(2,2,0,0), SM(4)]";

fn ridge(memory_budget: u64) -> DeepPriorConfig {
    DeepPriorConfig { head: Head::Ridge, memory_budget, ..config() }
}

fn splits() -> Splits {
    Splits::hold_out(&data_of(900), Seed(1)).unwrap()
}

fn scored(evaluator: &DeepPrior) -> Metrics {
    match evaluator.score(&NET.parse().unwrap()).unwrap() {
        Outcome::Scored(metrics) => metrics,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_reward_is_the_leave_one_out_accuracy_of_training_and_validation_images() {
    let splits = splits();
    let evaluator = DeepPrior::new(Box::new(Toy::default()), splits.clone(), ridge(1 << 30));
    let mut rows = [Vec::new(), Vec::new(), Vec::new()];
    let keep = |split: dpnas::store::SplitName, block: &[f32]| {
        rows[split as usize].extend_from_slice(block);
        Ok::<(), ScoreError>(())
    };
    evaluator.embed(&NET.parse().unwrap(), config().weight_seed, keep).unwrap();
    let [mut all, valid, test] = rows;
    all.extend(valid);
    let labels = [splits.train.labels(), splits.valid.labels()].concat();
    let features = all.len() / labels.len();
    let fitted = leave_one_out::<HeadError>(features, &labels, |range, out| {
        out.copy_from_slice(&all[range.start * features..range.end * features]);
        Ok(())
    })
    .unwrap();
    let share = |rows: &[f32], labels: &[u32]| fitted.head.correct(rows, labels).unwrap() as f64 / labels.len() as f64;
    let metrics = scored(&evaluator);
    assert_eq!((metrics.reward, &metrics.valid_accuracy[..]), (fitted.accuracy, &[fitted.accuracy][..]));
    assert_eq!(metrics.train_accuracy, [share(&all, &labels)]);
    assert_eq!(metrics.test_accuracy, share(&test, splits.test.labels()));
    assert!(metrics.train_flag && metrics.reward > 0.3 && metrics.reward < metrics.train_accuracy[0], "{metrics:?}");
}

#[test]
fn rows_in_a_file_and_rows_of_bf16_give_the_same_reward() {
    let many = Splits::hold_out(&data_of(4_000), Seed(1)).unwrap();
    let expected = scored(&DeepPrior::new(Box::new(Toy::default()), many.clone(), ridge(1 << 30)));
    let small = DeepPrior::new(Box::new(Toy::default()), many, ridge(2_000_000));
    let plan = small.memory_plan(&NET.parse::<dpnas::grammar::Net>().unwrap().plan(splits().train.shape()).unwrap());
    assert_eq!(plan.unwrap().rows, RowPlace::File);
    assert_eq!(scored(&small), expected);
    let rounded = |says| {
        let toy = Toy { rows: Some([Precision::Bf16, says]), ..Toy::default() };
        scored(&DeepPrior::new(Box::new(toy), splits(), ridge(1 << 30)))
    };
    assert_eq!(rounded(Precision::Bf16), rounded(Precision::F32));
}

#[test]
fn a_problem_that_does_not_fit_is_out_of_memory_and_not_an_error() {
    let evaluator = DeepPrior::new(Box::new(Toy::default()), splits(), ridge(300_000));
    let outcome = evaluator.score(&NET.parse().unwrap()).unwrap();
    let Outcome::OutOfMemory { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.starts_with("training the classifier needs "), "{reason}");
}

#[test]
fn the_head_is_part_of_the_identity_and_settings_of_adam_are_not() {
    let identity =
        |config: DeepPriorConfig| Evaluate::identity(&DeepPrior::new(Box::new(Toy::default()), splits(), config));
    let of_ridge = identity(ridge(1 << 30));
    assert_ne!(of_ridge, identity(config()));
    let mut other = ridge(1 << 20);
    other.probe.epochs += 1;
    assert_eq!(identity(other), of_ridge);
    let mut other = ridge(1 << 30);
    other.probe.seed = Seed(99);
    assert_ne!(identity(other), of_ridge);
}

#[test]
fn fully_connected_layers_are_refused_and_a_stop_flag_interrupts() {
    let evaluator = DeepPrior::new(Box::new(Toy::default()), splits(), ridge(1 << 30));
    let error = evaluator.score(&"[C(8,3,1,1,1), P(2,2,0,0), FC(32), SM(4)]".parse().unwrap()).unwrap_err();
    assert!(matches!(error, ScoreError::RidgeLayers { .. }), "{error}");
    let stopped = Arc::new(AtomicBool::new(true));
    let evaluator = evaluator.with_stop_flag(Arc::clone(&stopped));
    assert!(matches!(evaluator.pixel_baseline(), Err(ScoreError::Interrupted)));
}

#[test]
fn the_baseline_on_pixels_has_the_same_head() {
    let (splits, running) = (splits(), AtomicBool::new(false));
    let of = |head| pixel_baseline(&splits, head, &config().probe, &running).unwrap();
    let (adam, ridge) = (of(Head::Adam), of(Head::Ridge));
    assert_eq!((adam.valid_accuracy.len(), ridge.valid_accuracy.len()), (config().probe.epochs as usize, 1));
    assert!(ridge.test_accuracy > 0.3, "{ridge:?}");
}
