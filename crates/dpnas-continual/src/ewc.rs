//! Elastic weight consolidation.

use crate::adam::{Rows, head_of, predictions};
use crate::{LearnError, Learner};
use dpnas_heads::{HeadError, LinearHead};
use dpnas_train::{LinearClassifier, ProbeConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Independent sums of a product of rows, which vectors compute.
const LANES: usize = 16;

/// A linear classifier trained with Adam on the rows of each step, whose weights are held near those of earlier steps by a
/// penalty: half of the strength times the Fisher information of each weight times its squared change.
///
/// A reference for comparisons. It forgets less than fine-tuning within a task, but nothing relates the classes of different
/// steps to each other.
///
/// # Source
/// Kirkpatrick et al., 2017; one sum of the Fisher information of all steps: Schwarz et al., 2018, with γ = 1.
#[derive(Debug)]
pub struct Ewc {
    config: ProbeConfig,
    strength: f32,
    classifier: LinearClassifier,
    /// The Fisher information of each weight, summed over the steps.
    fisher: Vec<f32>,
    step: Rows,
    trained: bool,
    stop: Arc<AtomicBool>,
}

impl Ewc {
    /// A learner of rows with `features` values and labels below `classes`. `config` gives epochs, mini-batch, step size and
    /// decays; drop-out and weight decay have no effect.
    ///
    /// # Errors
    /// If a setting is out of range, or the weights do not fit the memory.
    pub fn new(config: &ProbeConfig, features: usize, classes: u32, strength: f32) -> Result<Self, LearnError> {
        config.check().map_err(dpnas_train::TrainError::from)?;
        Self::check_strength(strength)?;
        let classifier = LinearClassifier::initial(config.seed, classes, features)?;
        let fisher = vec![0.0; classifier.weights().len()];
        Ok(Self {
            config: config.clone(),
            strength,
            classifier,
            fisher,
            step: Rows::default(),
            trained: false,
            stop: Arc::default(),
        })
    }

    /// Checks a strength.
    ///
    /// # Errors
    /// If it is not a finite number of at least 0.
    pub fn check_strength(strength: f32) -> Result<(), HeadError> {
        match strength >= 0.0 && strength.is_finite() {
            true => Ok(()),
            false => {
                let (setting, value) = ("the strength of EWC", f64::from(strength));
                Err(HeadError::Setting { setting, value, expected: "finite and at least 0" })
            }
        }
    }

    /// Ends the training of a step between epochs once the flag is set.
    #[must_use]
    pub fn with_stop_flag(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// The weights after training on the rows of the step.
    fn train(&self) -> Result<Vec<f32>, LearnError> {
        let (config, anchor) = (&self.config, self.classifier.weights());
        let (mut weights, mut gradient) = (anchor.to_vec(), vec![0.0f32; anchor.len()]);
        let (mut mean, mut square) = (vec![0.0f32; anchor.len()], vec![0.0f32; anchor.len()]);
        let (mut power_1, mut power_2) = (1.0f64, 1.0f64);
        for epoch in 0..config.epochs {
            if self.stop.load(Ordering::Relaxed) {
                return Err(LearnError::Interrupted);
            }
            for batch in config.epoch_order(self.step.labels.len(), epoch).chunks(config.batch_size) {
                gradient.fill(0.0);
                for &row in batch {
                    self.errors(&weights, row, |part, error, values| {
                        let error = error / batch.len() as f32;
                        gradient[part].iter_mut().zip(values).for_each(|(sum, value)| *sum += error * value);
                    });
                }
                power_1 *= f64::from(config.beta_1);
                power_2 *= f64::from(config.beta_2);
                let rate = (f64::from(config.learning_rate) / (1.0 - power_1)) as f32;
                let scale = (1.0 / (1.0 - power_2).sqrt()) as f32;
                for i in 0..weights.len() {
                    let gradient = gradient[i] + self.strength * self.fisher[i] * (weights[i] - anchor[i]);
                    mean[i] = config.beta_1 * mean[i] + (1.0 - config.beta_1) * gradient;
                    square[i] = config.beta_2 * square[i] + (1.0 - config.beta_2) * gradient * gradient;
                    weights[i] -= rate * mean[i] / (square[i].sqrt() * scale + config.epsilon);
                }
            }
        }
        Ok(weights)
    }

    /// The error of each class for one row: `p − y` of the softmax, with the place of its weights and the row.
    fn errors(&self, weights: &[f32], row: usize, mut each: impl FnMut(std::ops::Range<usize>, f32, &[f32])) {
        let features = self.classifier.features();
        let values = &self.step.values[row * features..][..features];
        let scores: Vec<f32> = weights.chunks_exact(features).map(|weights| product(weights, values)).collect();
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let parts: Vec<f32> = scores.iter().map(|score| libm::expf(score - largest)).collect();
        let sum: f32 = parts.iter().sum();
        for (class, part) in parts.into_iter().enumerate() {
            let target = if class as u32 == self.step.labels[row] { 1.0 } else { 0.0 };
            each(class * features..(class + 1) * features, part / sum - target, values);
        }
    }
}

/// The scalar product, in an order that depends on the length alone.
fn product(weights: &[f32], row: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (whole, rest) = (weights.as_chunks::<LANES>(), row.as_chunks::<LANES>());
    for (weights, row) in whole.0.iter().zip(rest.0) {
        for ((sum, weight), value) in sums.iter_mut().zip(weights).zip(row) {
            *sum += weight * value;
        }
    }
    whole.1.iter().zip(rest.1).map(|(weight, value)| weight * value).sum::<f32>() + sums.iter().sum::<f32>()
}

impl Learner for Ewc {
    fn learn(&mut self, values: &[f32], labels: &[u32]) -> Result<(), LearnError> {
        self.step.push(values, labels, self.classifier.features(), self.classifier.classes())
    }

    fn end_step(&mut self) -> Result<(), LearnError> {
        if self.step.labels.is_empty() {
            return Ok(());
        }
        let weights = self.train()?;
        let mut fisher = std::mem::take(&mut self.fisher);
        let rows = self.step.labels.len();
        for row in 0..rows {
            self.errors(&weights, row, |part, error, values| {
                let square = error * error / rows as f32;
                fisher[part].iter_mut().zip(values).for_each(|(sum, value)| *sum += square * value * value);
            });
        }
        if weights.iter().chain(&fisher).any(|value| !value.is_finite()) {
            return Err(LearnError::Diverged);
        }
        self.fisher = fisher;
        let (classes, features) = (self.classifier.classes(), self.classifier.features());
        self.classifier = LinearClassifier::from_weights(weights, classes, features)?;
        self.step = Rows::default();
        self.trained = true;
        Ok(())
    }

    fn predict(&self, values: &[f32]) -> Result<Vec<u32>, LearnError> {
        if self.trained { predictions(&self.classifier, values) } else { Err(LearnError::Untrained) }
    }

    fn state_bytes(&self) -> u64 {
        8 * self.fisher.len() as u64
    }

    fn head(&self) -> Option<LinearHead> {
        self.trained.then(|| head_of(&self.classifier)).flatten()
    }
}
