//! Golden values from an independent numpy script, `fixtures/heads/golden.py`.

use crate::{exact, of_all};
use dpnas_heads::{Lambda, LinearHead, Shrinkage, Statistics, lda, nearest_class_mean, ridge};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    features: usize,
    values: Vec<f32>,
    labels: Vec<u32>,
    nearest_class_mean: Head,
    lda: Head,
    ridge: Head,
    gcv: Head,
    leave_one_out: Loo,
}

#[derive(Deserialize)]
struct Head {
    weights: Vec<f64>,
    biases: Vec<f64>,
    shrinkage: Option<f64>,
    lambda: Option<f64>,
}

#[derive(Deserialize)]
struct Loo {
    lambda: f64,
    error: f64,
    accuracy: f64,
}

impl Head {
    fn check(&self, name: &str, found: &LinearHead) {
        let size = self.weights.iter().fold(0.0f64, |size, weight| size.max(weight.abs()));
        let pairs = self.weights.iter().zip(found.weights()).chain(self.biases.iter().zip(found.biases()));
        for (expected, found) in pairs {
            assert!((expected - found).abs() < 1e-9 * size, "{name}: {found} is not {expected}");
        }
        assert_eq!((self.weights.len(), self.biases.len()), (found.weights().len(), found.biases().len()), "{name}");
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs()
}

#[test]
fn heads_are_those_of_numpy_in_both_arithmetics() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../../fixtures/heads/golden.json")).unwrap();
    for case in cases {
        for mut statistics in [exact(&case.values, case.features), Statistics::float(case.features).unwrap()] {
            statistics.add(&case.values, &case.labels).unwrap();
            case.nearest_class_mean.check("nearest class mean", &nearest_class_mean(&statistics).unwrap());
            let found = lda(&statistics, Shrinkage::Oas).unwrap();
            case.lda.check("lda", &found.head);
            assert!(near(found.lambda, case.lda.shrinkage.unwrap()) && found.failed.is_empty());
            let found = ridge(&statistics, Lambda::Fixed(case.ridge.lambda.unwrap())).unwrap();
            case.ridge.check("ridge", &found.head);
            assert!(found.residual < 1e-14, "{}", found.residual);
            let found = ridge(&statistics, Lambda::Gcv).unwrap();
            case.gcv.check("ridge by cross-validation", &found.head);
            assert!(near(found.lambda, case.gcv.lambda.unwrap()));
        }
        let found = of_all(&case.values, case.features, &case.labels).unwrap();
        assert!(near(found.lambda, case.leave_one_out.lambda), "{} {}", found.lambda, case.leave_one_out.lambda);
        assert!(
            (found.error - case.leave_one_out.error).abs() < 1e-9 && near(found.accuracy, case.leave_one_out.accuracy)
        );
        let mut statistics = Statistics::float(case.features).unwrap();
        statistics.add(&case.values, &case.labels).unwrap();
        let same = ridge(&statistics, Lambda::Fixed(found.lambda)).unwrap().head;
        Head { weights: same.weights().to_vec(), biases: same.biases().to_vec(), shrinkage: None, lambda: None }
            .check("the head of leave-one-out", &found.head);
    }
}
