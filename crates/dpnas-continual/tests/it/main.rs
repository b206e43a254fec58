//! Streams, learners and the protocol together.

use dpnas_continual::{
    AccuracyMatrix, Adam, ClassOrder, ClosedForm, LearnError, Learner, Memory, Method, PublishedSlda, RandomFourier,
    Rows, Steps, Stream, learn,
};
use dpnas_heads::{FixedPoint, Lambda, Projection, Shrinkage, Statistics, ridge};
use dpnas_seed::Seed;
use dpnas_train::ProbeConfig;
use proptest::prelude::*;

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
    let ((train, labels), (test, test_labels)) = (rows(1, 600), rows(2, 300));
    let order = ClassOrder::Seeded(Seed(order));
    let stream = Stream::new(&labels, CLASSES, &steps(text), &order, Seed(order_seed(&order))).unwrap();
    let train = Rows { values: &train, labels: &labels };
    learn(learner, &stream, train, Rows { values: &test, labels: &test_labels }, block).unwrap()
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
        let mut learner = ClosedForm::new(Method::Ridge(Lambda::Gcv), exact());
        let matrix = run(&mut learner, text, order, block);
        assert!(learner.head().unwrap().to_bytes().unwrap() == expected.to_bytes().unwrap(), "{text}");
        assert!(matrix.final_accuracy().unwrap() > 0.7, "{text}: {matrix:?}");
    }
    // Returning classes, and statistics that were saved on the way.
    let mut learner = ClosedForm::new(Method::Ridge(Lambda::Gcv), exact());
    run(&mut learner, "0,1|2,3|0,4,5|1,2", 5, 32);
    assert!(learner.head().unwrap() == &expected);
    let saved = Statistics::from_bytes(&learner.statistics().to_bytes().unwrap()).unwrap();
    let mut resumed = ClosedForm::new(Method::Ridge(Lambda::Gcv), exact()).resumed(saved).unwrap();
    resumed.end_step().unwrap();
    assert!(resumed.head().unwrap() == &expected);
}

#[test]
fn the_published_slda_depends_on_the_order_and_the_exact_one_does_not() {
    let weights = |learner: &mut dyn Learner, order: u64| {
        run(learner, "6x1", order, 16);
        learner.predict(&rows(3, 2_000).0).unwrap()
    };
    let published: Vec<_> = (0..6).map(|order| weights(&mut PublishedSlda::new(FEATURES), order)).collect();
    let exact: Vec<_> = (0..6)
        .map(|order| weights(&mut ClosedForm::new(Method::Lda(Shrinkage::Fixed(1e-4)), exact()), order))
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

#[test]
fn every_learner_learns_and_says_its_bytes() {
    let (values, _) = rows(1, 600);
    let projection = Projection::new(Seed(1), FEATURES, 60).unwrap();
    let features = RandomFourier::new(Seed(1), FEATURES, 200, 0.05).unwrap();
    let mut learners: Vec<Box<dyn Learner>> = vec![
        Box::new(ClosedForm::new(Method::NearestMean, exact())),
        Box::new(ClosedForm::new(Method::Lda(Shrinkage::Oas), exact())),
        Box::new(ClosedForm::new(Method::RidgeOfFirstStep, Statistics::float(FEATURES).unwrap())),
        Box::new(ClosedForm::projected(Method::Ridge(Lambda::Gcv), projection, &values).unwrap()),
        Box::new(ClosedForm::fourier(Method::Lda(Shrinkage::Oas), features).unwrap()),
        Box::new(PublishedSlda::new(FEATURES)),
    ];
    for (place, learner) in learners.iter_mut().enumerate() {
        assert!(matches!(learner.predict(&[0.0; FEATURES]), Err(LearnError::Untrained)));
        let matrix = run(learner.as_mut(), "3x2", 9, 100);
        assert!(matrix.final_accuracy().unwrap() > 0.6, "learner {place}: {matrix:?}");
        assert!(learner.state_bytes() > 0 && learner.exemplar_bytes() == 0);
        assert!(learner.learn(&[f32::NAN; FEATURES], &[0]).is_err(), "learner {place}");
    }
}

#[test]
fn fine_tuning_forgets_replay_forgets_less_and_joint_training_does_not() {
    let config = ProbeConfig { epochs: 20, learning_rate: 0.01, ..ProbeConfig::paper(Seed(3)) };
    let with = |memory| {
        let mut learner = Adam::new(&config, FEATURES, CLASSES, memory).unwrap();
        let matrix = run(&mut learner, "6x1", 2, 50);
        (matrix.final_accuracy().unwrap(), matrix.forgetting().unwrap(), learner.exemplar_bytes())
    };
    let row = 4 * (FEATURES as u64 + 1);
    let (naive, lost, bytes) = with(Memory::Nothing);
    assert!(naive < 0.3 && lost > 0.3 && bytes == 0, "{naive} {lost}");
    for memory in [Memory::Reservoir(60), Memory::Balanced(60)] {
        let (accuracy, less, bytes) = with(memory);
        assert!(accuracy > naive + 0.2 && less < lost && bytes == 60 * row, "{memory:?}: {accuracy} {less}");
        assert_eq!(with(memory), (accuracy, less, bytes), "the same again");
    }
    let (joint, _, bytes) = with(Memory::Everything);
    assert!(joint > naive + 0.4 && bytes == 600 * row, "{joint}");
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
    assert_eq!(error("3x1"), "the steps have 3 classes, the data set has 4: each class needs a step");
    assert_eq!(error("0,1|2"), "the steps have 3 classes, the data set has 4: each class needs a step");
    assert!(error("0,1|2,3,4").starts_with("the steps name place 4 of the class order"));
    assert!(error("data:50").starts_with("step 0 has no training rows"), "{}", error("data:50"));
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
