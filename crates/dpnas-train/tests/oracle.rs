//! Training against two oracles: burn's autodiff for the gradient, and Adam written out in `f64`.

use burn::backend::Autodiff;
use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use burn_ndarray::NdArray;
use dpnas_seed::Seed;
use dpnas_train::{Labelled, LinearClassifier, ProbeConfig, fit};
use std::ops::ControlFlow;

type B = Autodiff<NdArray<f32>>;

const ROWS: usize = 50;
const FEATURES: usize = 70;
const CLASSES: usize = 7;

fn data() -> (Vec<f32>, Vec<u32>) {
    let mut rows = vec![0.0; ROWS * FEATURES];
    Seed(3).stream("rows", 0).fill_normal(0, &mut rows);
    (rows, (0..ROWS as u32).map(|row| row * 5 % CLASSES as u32).collect())
}

/// Mini-batches of one epoch (from 0), as rows' numbers.
fn batches(config: &ProbeConfig, epoch: u64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..ROWS).collect();
    config.seed.stream("shuffle", epoch).rng().shuffle(&mut order);
    order.chunks(config.batch_size).map(<[usize]>::to_vec).collect()
}

/// The gradient of the mean cross-entropy by autodiff, `[classes, features]`.
fn autodiff_gradient(weights: &[f64], rows: &[f32], labels: &[u32], batch: &[usize]) -> Vec<f64> {
    let device = Default::default();
    let flat: Vec<f32> = batch.iter().flat_map(|&row| rows[row * FEATURES..][..FEATURES].iter().copied()).collect();
    let mut one_hot = vec![0.0f32; batch.len() * CLASSES];
    for (i, &row) in batch.iter().enumerate() {
        one_hot[i * CLASSES + labels[row] as usize] = 1.0;
    }
    let w: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
    let w = Tensor::<B, 2>::from_data(TensorData::new(w, [CLASSES, FEATURES]), &device).require_grad();
    let x = Tensor::<B, 2>::from_data(TensorData::new(flat, [batch.len(), FEATURES]), &device);
    let y = Tensor::<B, 2>::from_data(TensorData::new(one_hot, [batch.len(), CLASSES]), &device);
    let loss = (log_softmax(x.matmul(w.clone().transpose()), 1) * y).sum().neg() / batch.len() as f64;
    let gradients = loss.backward();
    let gradient = w.grad(&gradients).expect("the weights were asked to be tracked");
    gradient.into_data().to_vec::<f32>().expect("f32 data").into_iter().map(f64::from).collect()
}

/// The same gradient by the formula, in `f64`.
fn exact_gradient(weights: &[f64], rows: &[f32], labels: &[u32], batch: &[usize]) -> Vec<f64> {
    let mut gradient = vec![0.0; CLASSES * FEATURES];
    for &row in batch {
        let x: Vec<f64> = rows[row * FEATURES..][..FEATURES].iter().map(|&x| f64::from(x)).collect();
        let score = |c: usize| weights[c * FEATURES..][..FEATURES].iter().zip(&x).map(|(w, x)| w * x).sum::<f64>();
        let powers: Vec<f64> = (0..CLASSES).map(|c| score(c).exp()).collect();
        let sum: f64 = powers.iter().sum();
        for c in 0..CLASSES {
            let error = powers[c] / sum - if labels[row] as usize == c { 1.0 } else { 0.0 };
            for (g, x) in gradient[c * FEATURES..][..FEATURES].iter_mut().zip(&x) {
                *g += error * x / batch.len() as f64;
            }
        }
    }
    gradient
}

type Gradient = fn(&[f64], &[f32], &[u32], &[usize]) -> Vec<f64>;

/// Adam as its paper writes it, with L2 added to the gradient, in `f64`.
fn trained_by(oracle: Gradient, config: &ProbeConfig) -> Vec<f64> {
    let (rows, labels) = data();
    let start = LinearClassifier::initial(config.seed, CLASSES as u32, FEATURES).expect("a small classifier");
    let mut w: Vec<f64> = start.weights().iter().map(|&w| f64::from(w)).collect();
    let (mut m, mut v) = (vec![0.0; w.len()], vec![0.0; w.len()]);
    let (b1, b2) = (f64::from(config.beta_1), f64::from(config.beta_2));
    let mut step = 0;
    for epoch in 0..u64::from(config.epochs) {
        for batch in batches(config, epoch) {
            step += 1;
            let gradient = oracle(&w, &rows, &labels, &batch);
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

/// Largest difference of weights, and the largest move of a weight from its start.
fn compare(oracle: Gradient, config: &ProbeConfig) -> (f64, f64) {
    let (rows, labels) = data();
    let set = Labelled::new(&rows, &labels, FEATURES).expect("matching lengths");
    let go_on = &mut |_: &_| ControlFlow::Continue(());
    let fitted = fit(config, CLASSES as u32, set, set, None, go_on).expect("a good fit");
    let start = LinearClassifier::initial(config.seed, CLASSES as u32, FEATURES).expect("a small classifier");
    let expected = trained_by(oracle, config);
    let largest = |other: &mut dyn Iterator<Item = f64>| {
        fitted.classifier.weights().iter().zip(other).map(|(&w, o)| (f64::from(w) - o).abs()).fold(0.0, f64::max)
    };
    (largest(&mut expected.into_iter()), largest(&mut start.weights().iter().map(|&w| f64::from(w))))
}

fn config(epochs: u32, batch_size: usize) -> ProbeConfig {
    ProbeConfig { epochs, batch_size, early_stopping_threshold: 0.0, ..ProbeConfig::paper(Seed(11)) }
}

// In the first steps Adam's step is about learning rate · sign(gradient), so a gradient near 0 turns its own relative
// error into that of the step: errors of 1e-7 in gradients of 1e-4 and more (those of these 490 weights) cost
// 1e-3 · 1e-3 at most, and rounding the weights 3e-8 a step. The bounds below are 1e-6 · learning rate / 1e-3 a step.

#[test]
fn one_step_is_that_of_autodiff_and_adam() {
    let (difference, moved) = compare(autodiff_gradient, &config(1, ROWS));
    assert!(difference < 1e-6, "{difference:e}");
    assert!(moved > 0.9e-3, "{moved:e}");
}

#[test]
fn twenty_steps_with_a_smaller_last_batch_are_those_of_autodiff_and_adam() {
    // 50 rows in batches of 16 make four steps an epoch, the last with two rows.
    let (difference, moved) = compare(autodiff_gradient, &config(5, 16));
    assert!(difference < 5e-6, "{difference:e}");
    assert!(moved > 10e-3, "{moved:e}");
}

#[test]
fn twenty_steps_are_those_of_the_formula_in_double_precision() {
    let (difference, moved) = compare(exact_gradient, &config(5, 16));
    assert!(difference < 5e-6, "{difference:e}");
    assert!(moved > 10e-3, "{moved:e}");
}

#[test]
fn weight_decay_and_other_decays_match_the_formula() {
    let decayed = ProbeConfig { weight_decay: 0.05, beta_1: 0.8, beta_2: 0.95, epsilon: 1e-3, ..config(5, 16) };
    let (difference, moved) = compare(exact_gradient, &decayed);
    assert!(difference < 5e-6, "{difference:e}");
    let plain = ProbeConfig { weight_decay: 0.0, ..decayed };
    let (_, moved_without) = compare(exact_gradient, &plain);
    assert!((moved - moved_without).abs() > 1e-4, "the decay changes the weights");
}
