//! Streams, learners and the protocol together.

use dpnas_continual::{
    AccuracyMatrix, Adam, ClassOrder, ClosedForm, ClosedFormHead, Ewc, LambdaChoice, LearnError, Learner, Memory,
    Method, MethodSettings, Protocol, PublishedSlda, Rows, Steps, Stream, Task,
};
use dpnas_heads::{FixedPoint, Lambda, Shrinkage, Statistics, ridge};
use dpnas_seed::Seed;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const FEATURES: usize = 20;
const CLASSES: u32 = 6;

/// Rows of six classes around different means, ReLU applied.
fn rows(seed: u64, count: usize) -> (Vec<f32>, Vec<u32>) {
    let mut values = vec![0.0; count * FEATURES];
    Seed(seed).stream("rows", 0).fill_normal(0, &mut values);
    let labels: Vec<u32> = (0..count as u32).map(|row| row * 5 % CLASSES).collect();
    for (row, &label) in values.chunks_exact_mut(FEATURES).zip(&labels) {
        for (feature, value) in row.iter_mut().enumerate() {
            let mean = if feature as u32 % CLASSES == label { 1.2 } else { 0.0 };
            *value = (*value + mean).max(0.0);
        }
    }
    (values, labels)
}

fn steps(text: &str) -> Steps {
    text.parse().unwrap()
}

fn exact() -> Statistics {
    Statistics::exact(FixedPoint::uniform(FEATURES, 8.0).unwrap())
}

/// The matrix of a learner over a stream.
fn run(learner: &mut dyn Learner, text: &str, order: u64, block: usize) -> AccuracyMatrix {
    protocol(text, order, block, |protocol| protocol.learn(learner)).unwrap()
}

fn protocol<T>(text: &str, order: u64, block: usize, with: impl FnOnce(&Protocol<'_>) -> T) -> T {
    let ((train, labels), (test, test_labels)) = (rows(1, 600), rows(2, 300));
    let order = ClassOrder::Seeded(Seed(order));
    let stream = Stream::new(&labels, CLASSES, &steps(text), &order, Seed(order_seed(&order))).unwrap();
    let (train, stop) = (Rows { values: &train, labels: &labels }, AtomicBool::new(false));
    let test = Rows { values: &test, labels: &test_labels };
    with(&Protocol { stream: &stream, train, test, block, stop: &stop })
}

fn order_seed(order: &ClassOrder) -> u64 {
    if let ClassOrder::Seeded(Seed(seed)) = order { *seed } else { 0 }
}

#[test]
fn a_closed_form_head_ends_with_the_joint_solution_in_every_bit() {
    let (values, labels) = rows(1, 600);
    let mut joint = exact();
    joint.add(&values, &labels).unwrap();
    let expected = ridge(&joint, Lambda::Gcv).unwrap().head;
    for (text, order, block) in [("6x1", 0, 1), ("3x2", 1, 7), ("4,2", 2, 600), ("data:5", 3, 64), ("iid:7", 4, 50)] {
        let mut learner = ClosedForm::new(ClosedFormHead::Ridge(Lambda::Gcv), exact());
        let matrix = run(&mut learner, text, order, block);
        assert!(learner.head().unwrap().to_bytes().unwrap() == expected.to_bytes().unwrap(), "{text}");
        assert!(matrix.final_accuracy().unwrap() > 0.7, "{text}: {matrix:?}");
    }
    // Returning classes, and statistics that were saved on the way.
    let mut learner = ClosedForm::new(ClosedFormHead::Ridge(Lambda::Gcv), exact());
    run(&mut learner, "0,1|2,3|0,4,5|1,2", 5, 32);
    assert!(learner.head().unwrap() == expected);
    let saved = Statistics::from_bytes(&learner.statistics().unwrap().to_bytes().unwrap()).unwrap();
    let mut resumed = ClosedForm::new(ClosedFormHead::Ridge(Lambda::Gcv), exact()).resumed(&saved).unwrap();
    resumed.end_step().unwrap();
    assert!(resumed.head().unwrap() == expected);
}

#[test]
fn the_published_slda_depends_on_the_order_and_the_exact_one_does_not() {
    let weights = |learner: &mut dyn Learner, order: u64| {
        run(learner, "6x1", order, 16);
        learner.predict(&rows(3, 2_000).0).unwrap()
    };
    let published: Vec<_> = (0..6).map(|order| weights(&mut PublishedSlda::new(FEATURES), order)).collect();
    let exact: Vec<_> = (0..6)
        .map(|order| weights(&mut ClosedForm::new(ClosedFormHead::Lda(Shrinkage::Fixed(1e-4)), exact()), order))
        .collect();
    assert!(exact.iter().all(|predicted| *predicted == exact[0]));
    assert!(published.iter().any(|predicted| *predicted != published[0]));
}

#[test]
fn the_published_slda_is_the_running_covariance_of_its_equations() {
    // Two rows of one class, worked by hand: the first row enters with the weight 0, the second about the first with 1/4.
    let mut learner = PublishedSlda::new(2);
    learner.learn(&[1.0, 0.0, 3.0, 2.0, 0.0, 4.0], &[0, 0, 1]).unwrap();
    learner.end_step().unwrap();
    // Third row, of a new class: half of 1/4 · (2, 2)ᵀ(2, 2) becomes two thirds, plus 2/9 of (0, 4)ᵀ(0, 4).
    let covariance = [2.0 / 3.0, 2.0 / 3.0 + 2.0 / 9.0 * 16.0];
    let off = 2.0 / 3.0;
    let part = PublishedSlda::SHRINKAGE;
    let (a, b, d) = ((1.0 - part) * covariance[0] + part, (1.0 - part) * off, (1.0 - part) * covariance[1] + part);
    let weights = |m: [f64; 2]| {
        let determinant = a * d - b * b;
        [(d * m[0] - b * m[1]) / determinant, (a * m[1] - b * m[0]) / determinant]
    };
    let score = |m: [f64; 2], x: [f64; 2]| {
        let w = weights(m);
        w[0] * x[0] + w[1] * x[1] - 0.5 * (w[0] * m[0] + w[1] * m[1])
    };
    for x in [[0.0, 1.0], [1.0, 2.4], [1.2, 2.2], [0.7, 2.6], [2.0, 3.5], [0.1, 2.1]] {
        let expected = u32::from(score([0.0, 4.0], x) > score([2.0, 1.0], x));
        assert_eq!(learner.predict(&[x[0] as f32, x[1] as f32]).unwrap(), [expected], "{x:?}");
    }
    assert_eq!(learner.state_bytes(), 8 * (3 + 2 * 3));
}

/// Settings for the small rows of these tests.
fn settings() -> MethodSettings {
    let mut settings = MethodSettings::new(Seed(3));
    (settings.buffer, settings.projection, settings.fourier) = (60, 60, 200);
    (settings.probe.epochs, settings.probe.learning_rate) = (20, 0.01);
    settings
}

fn task(sample: &[f32]) -> Task<'_> {
    Task {
        classes: CLASSES,
        features: FEATURES,
        embedded: FEATURES,
        sample,
        start: None,
        seed: Seed(1),
        stop: Arc::default(),
    }
}

#[test]
fn every_method_learns_and_says_its_bytes_and_its_head() {
    let (values, _) = rows(1, 600);
    for (method, name) in Method::ALL.into_iter().filter(|(method, _)| !method.is_joint()) {
        let mut learner = method.learner(&settings(), &task(&values)).unwrap();
        assert!(matches!(learner.predict(&[0.0; FEATURES]), Err(LearnError::Untrained)), "{name}");
        assert!(learner.head().is_none() && learner.learn(&[f32::NAN; FEATURES], &[0]).is_err(), "{name}");
        assert!(learner.learn(&[0.0; FEATURES], &[0, 1]).is_err(), "{name}");
        let matrix = run(learner.as_mut(), "3x2", 9, 100);
        let keeps_rows = matches!(method, Method::Replay | Method::BalancedReplay);
        let enough = if keeps_rows || matches!(method, Method::Naive | Method::Ewc) { 0.15 } else { 0.6 };
        assert!(matrix.final_accuracy().unwrap() > enough, "{name}: {matrix:?}");
        assert!(learner.state_bytes() > 0 && (learner.exemplar_bytes() > 0) == keeps_rows, "{name}");
        assert_eq!(learner.head().unwrap().classes(), [0, 1, 2, 3, 4, 5], "{name}");
        let statistics = learner.statistics().is_some();
        assert_eq!(statistics, method.has_statistics() || method == Method::Pixels, "{name}");
    }
    let mut settings = settings();
    (settings.exact, settings.lambda) = (false, LambdaChoice::FirstTask);
    let mut learner = Method::Ridge.learner(&settings, &task(&values)).unwrap();
    assert!(run(learner.as_mut(), "3x2", 9, 100).final_accuracy().unwrap() > 0.6);
}

#[test]
fn fine_tuning_forgets_replay_forgets_less_and_joint_training_does_not() {
    let (values, _) = rows(1, 600);
    let of = |method: Method| {
        let make = || method.learner(&settings(), &task(&values));
        let (matrix, bytes) = protocol("6x1", 2, 50, |protocol| match method.is_joint() {
            true => protocol.learn_jointly(make).map(|(learner, matrix)| (matrix, learner.exemplar_bytes())),
            false => {
                let mut learner = make()?;
                Ok((protocol.learn(learner.as_mut())?, learner.exemplar_bytes()))
            }
        })
        .unwrap();
        (matrix.final_accuracy().unwrap(), matrix.forgetting().unwrap(), bytes)
    };
    let row = 4 * (FEATURES as u64 + 1);
    let (naive, lost, bytes) = of(Method::Naive);
    assert!(naive < 0.3 && lost > 0.3 && bytes == 0, "{naive} {lost}");
    for method in [Method::Replay, Method::BalancedReplay, Method::PseudoRehearsal] {
        let (accuracy, less, bytes) = of(method);
        let expected = if method == Method::PseudoRehearsal { 0 } else { 60 * row };
        assert!(accuracy > naive + 0.2 && less < lost && bytes == expected, "{method}: {accuracy} {less}");
        assert_eq!(of(method), (accuracy, less, bytes), "the same again");
    }
    let (joint, ..) = of(Method::Joint);
    assert!(joint > naive + 0.4, "{joint}");
}

#[test]
fn joint_ridge_regression_has_the_bits_of_the_stream() {
    let (values, _) = rows(1, 600);
    for text in ["6x1", "data:4", "0,1|2,3|0,4,5|1,2"] {
        let mut learner = Method::Ridge.learner(&settings(), &task(&values)).unwrap();
        let matrix = run(learner.as_mut(), text, 4, 13);
        let make = || Method::JointRidge.learner(&settings(), &task(&values));
        let (joint, of_joint) = protocol(text, 4, 600, |protocol| protocol.learn_jointly(make)).unwrap();
        assert!(joint.head() == learner.head() && of_joint == matrix, "{text}");
    }
}

#[test]
fn a_large_penalty_keeps_the_weights_and_none_is_fine_tuning() {
    let config = settings().probe;
    let of = |strength| {
        let mut learner = Ewc::new(&config, FEATURES, CLASSES, strength).unwrap();
        let matrix = run(&mut learner, "2x3", 2, 50);
        {
            let accuracy = |after, on| matrix.accuracy(after, on).unwrap();
            (accuracy(0, 0), accuracy(1, 0), accuracy(1, 1))
        }
    };
    let ((first, kept, _), (same, lost, new)) = (of(1e6), of(0.0));
    assert!(first == same && kept > lost + 0.2 && new > 0.6, "{first} {kept} {lost} {new}");
    // Without a penalty it is Adam with other roundings.
    let mut naive = Adam::new(&config, FEATURES, CLASSES, Memory::Nothing).unwrap();
    let mut ewc = Ewc::new(&config, FEATURES, CLASSES, 0.0).unwrap();
    run(&mut naive, "2x3", 2, 50);
    run(&mut ewc, "2x3", 2, 50);
    let (a, b) = (naive.head().unwrap(), ewc.head().unwrap());
    assert!(a.weights().iter().zip(b.weights()).all(|(a, b)| (a - b).abs() < 1e-3));
    assert!(Ewc::new(&config, FEATURES, CLASSES, -1.0).is_err());
}

#[test]
fn statistics_of_earlier_rows_are_gone_on_from() {
    let (values, labels) = rows(1, 600);
    let mut all = exact();
    all.add(&values, &labels).unwrap();
    let with = |start, features| {
        let task = Task { start: Some(start), features, ..task(&values) };
        Method::Ridge.learner(&settings(), &task)
    };
    let mut learner = with(&all, FEATURES).unwrap();
    learner.end_step().unwrap();
    assert!(learner.head().unwrap() == ridge(&all, Lambda::Gcv).unwrap().head);
    let error = with(&all, FEATURES + 1).err().unwrap().to_string();
    assert!(error.starts_with("20 features where 21 are expected"), "{error}");
}

#[test]
fn steps_that_cannot_be_are_errors_with_their_reason() {
    let labels: Vec<u32> = (0..40).map(|row| row % 4).collect();
    let error = |text: &str| match text.parse::<Steps>() {
        Ok(steps) => Stream::new(&labels, 4, &steps, &ClassOrder::Natural, Seed(0)).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    for text in ["", "2y2", "0x2", "2x0", "data:0", "0,1|", "|1", "1.5", "999999999999x2", "99999999999999999999"] {
        assert!(error(text).starts_with(&format!("unknown steps `{text}`")), "{}", error(text));
    }
    assert_eq!(error("3x1"), "the steps have 3 classes, the data set has 4: each class needs one step at least");
    assert_eq!(error("0,1|2"), "the steps have 3 classes, the data set has 4: each class needs one step at least");
    assert!(error("0,1|2,3,4").starts_with("the steps name place 4 of the class order"));
    assert!(error("data:50").starts_with("step 40 has no training rows"), "{}", error("data:50"));
    let bad = Stream::new(&[0, 7], 4, &steps("4x1"), &ClassOrder::Natural, Seed(0)).unwrap_err().to_string();
    assert_eq!(bad, "label 7 of a data set of 4 classes: labels count from 0");
    for text in ["2,2,2", "0,1|2|0,3", "data:10", "iid:10"] {
        assert_eq!(steps(text).to_string(), text);
    }
    assert_eq!(steps("50+10x5").to_string(), format!("50{}", ",5".repeat(10)));
}

proptest! {
    #[test]
    fn each_row_comes_once_and_each_class_is_new_once(
        labels in prop::collection::vec(0u32..5, 60..200),
        text in prop_oneof![Just("5x1"), Just("2+3"), Just("data:4"), Just("iid:6"), Just("0,1|2,3,4|1,0")],
        order: u64,
    ) {
        prop_assume!((0..5).all(|class| labels.iter().filter(|&&label| label == class).count() >= 2));
        let order = ClassOrder::Seeded(Seed(order));
        let stream = Stream::new(&labels, 5, &steps(text), &order, Seed(1)).unwrap();
        let mut rows: Vec<usize> = stream.steps.iter().flat_map(|step| step.rows.clone()).collect();
        rows.sort_unstable();
        prop_assert!(rows.into_iter().eq(0..labels.len()));
        let mut new: Vec<u32> = stream.steps.iter().flat_map(|step| step.new_classes.clone()).collect();
        new.sort_unstable();
        prop_assert_eq!(new, [0, 1, 2, 3, 4]);
        for step in &stream.steps {
            let mut own: Vec<u32> = step.rows.iter().map(|&row| labels[row]).collect();
            own.sort_unstable();
            own.dedup();
            prop_assert_eq!(&own, &step.classes);
        }
    }
}
