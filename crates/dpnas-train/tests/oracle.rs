//! Training against an oracle in `f64`: Adam by its definition, on gradients that come from differences of the loss.

use dpnas_seed::Seed;
use dpnas_train::{Labelled, LinearClassifier, ProbeConfig, fit};
use std::ops::ControlFlow;

const ROWS: usize = 50;
const FEATURES: usize = 70;
const CLASSES: usize = 7;

fn data() -> (Vec<f32>, Vec<u32>) {
    let mut rows = vec![0.0; ROWS * FEATURES];
    Seed(3).stream("rows", 0).fill_normal(0, &mut rows);
    (rows, (0..ROWS as u32).map(|row| row * 5 % CLASSES as u32).collect())
}

/// The mini-batches of one epoch, counted from 0, as indices of rows.
fn batches(config: &ProbeConfig, epoch: u64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..ROWS).collect();
    config.seed.stream("shuffle", epoch).rng().shuffle(&mut order);
    order.chunks(config.batch_size).map(<[usize]>::to_vec).collect()
}

/// The mean cross-entropy of a mini-batch.
fn loss(weights: &[f64], rows: &[f32], labels: &[u32], batch: &[usize]) -> f64 {
    let of_row = |&row: &usize| {
        let x = &rows[row * FEATURES..][..FEATURES];
        let score = |w: &[f64]| w.iter().zip(x).map(|(w, &x)| w * f64::from(x)).sum::<f64>();
        let scores: Vec<f64> = weights.chunks(FEATURES).map(score).collect();
        scores.iter().map(|score| score.exp()).sum::<f64>().ln() - scores[labels[row] as usize]
    };
    batch.iter().map(of_row).sum::<f64>() / batch.len() as f64
}

/// The gradient of the loss by central differences, `[classes, features]`.
fn gradient(weights: &[f64], rows: &[f32], labels: &[u32], batch: &[usize]) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut moved = weights.to_vec();
    let mut slope = |i: usize| {
        let [above, below] = [STEP, -STEP].map(|step| {
            moved[i] = weights[i] + step;
            loss(&moved, rows, labels, batch)
        });
        moved[i] = weights[i];
        (above - below) / (2.0 * STEP)
    };
    (0..weights.len()).map(&mut slope).collect()
}

/// Adam by its definition, with L2 added to the gradient, in `f64`.
fn trained(config: &ProbeConfig) -> Vec<f64> {
    let (rows, labels) = data();
    let start = LinearClassifier::initial(config.seed, CLASSES as u32, FEATURES).expect("a small classifier");
    let mut w: Vec<f64> = start.weights().iter().map(|&w| f64::from(w)).collect();
    let (mut m, mut v) = (vec![0.0; w.len()], vec![0.0; w.len()]);
    let (b1, b2) = (f64::from(config.beta_1), f64::from(config.beta_2));
    let mut step = 0;
    for epoch in 0..u64::from(config.epochs) {
        for batch in batches(config, epoch) {
            step += 1;
            let gradient = gradient(&w, &rows, &labels, &batch);
            for i in 0..w.len() {
                let g = gradient[i] + f64::from(config.weight_decay) * w[i];
                m[i] = b1 * m[i] + (1.0 - b1) * g;
                v[i] = b2 * v[i] + (1.0 - b2) * g * g;
                let (m, v) = (m[i] / (1.0 - b1.powi(step)), v[i] / (1.0 - b2.powi(step)));
                w[i] -= f64::from(config.learning_rate) * m / (v.sqrt() + f64::from(config.epsilon));
            }
        }
    }
    w
}

/// The largest difference from the oracle, and the largest move of a weight from its start.
fn compare(config: &ProbeConfig) -> (f64, f64) {
    let (rows, labels) = data();
    let set = Labelled::new(&rows, &labels, FEATURES).expect("matching lengths");
    let go_on = &mut |_: &_| ControlFlow::Continue(());
    let fitted = fit(config, CLASSES as u32, set, set, None, go_on).expect("a good fit");
    let start = LinearClassifier::initial(config.seed, CLASSES as u32, FEATURES).expect("a small classifier");
    let expected = trained(config);
    let largest = |other: &mut dyn Iterator<Item = f64>| {
        fitted.classifier.weights().iter().zip(other).map(|(&w, o)| (f64::from(w) - o).abs()).fold(0.0, f64::max)
    };
    (largest(&mut expected.into_iter()), largest(&mut start.weights().iter().map(|&w| f64::from(w))))
}

fn config(epochs: u32, batch_size: usize) -> ProbeConfig {
    ProbeConfig { epochs, batch_size, early_stopping_threshold: 0.0, ..ProbeConfig::paper(Seed(11)) }
}

// Adam's first steps are about learning rate · sign(gradient), so the relative error of a gradient becomes that of the
// step. Errors of 1e-7 in gradients of at least 1e-4, the smallest of these 490 weights, cost at most 1e-3 · 1e-3, and
// rounding the weights costs 3e-8 a step. Hence the bounds of 1e-6 and 5e-6.

#[test]
fn one_step_is_that_of_adam() {
    let (difference, moved) = compare(&config(1, ROWS));
    assert!(difference < 1e-6, "{difference:e}");
    assert!(moved > 0.9e-3, "{moved:e}");
}

#[test]
fn twenty_steps_with_a_smaller_last_batch_are_those_of_adam() {
    // 50 rows in batches of 16 make four steps an epoch, the last with two rows.
    let (difference, moved) = compare(&config(5, 16));
    assert!(difference < 5e-6, "{difference:e}");
    assert!(moved > 10e-3, "{moved:e}");
}

#[test]
fn weight_decay_and_other_decays_follow_the_definition() {
    let decayed = ProbeConfig { weight_decay: 0.05, beta_1: 0.8, beta_2: 0.95, epsilon: 1e-3, ..config(5, 16) };
    let (difference, moved) = compare(&decayed);
    assert!(difference < 5e-6, "{difference:e}");
    let (_, moved_without) = compare(&ProbeConfig { weight_decay: 0.0, ..decayed });
    assert!((moved - moved_without).abs() > 1e-4, "the decay changes the weights");
}
