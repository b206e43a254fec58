//! Pseudo-rehearsal with Gaussian rows.

use crate::{Adam, LearnError, Learner};
use dpnas_heads::{ClassGaussians, LinearHead, Statistics};

/// A classifier trained with Adam on the rows of each step and on rows drawn from the Gaussians of earlier classes: as many
/// of each as the step has of a class on average.
///
/// It keeps the mean of each class and one covariance. See [`ClassGaussians`] for the source.
#[derive(Debug)]
pub struct PseudoRehearsal {
    adam: Adam,
    /// Rows of earlier steps.
    earlier: Statistics,
    /// Rows of the present step.
    present: Statistics,
    steps: u64,
}

impl PseudoRehearsal {
    /// Wraps a learner without a memory.
    ///
    /// # Errors
    /// If the statistics have no features.
    pub fn new(adam: Adam) -> Result<Self, LearnError> {
        let empty = Statistics::float(adam.features())?;
        Ok(Self { adam, earlier: empty.clone(), present: empty, steps: 0 })
    }
}

impl Learner for PseudoRehearsal {
    fn learn(&mut self, values: &[f32], labels: &[u32]) -> Result<(), LearnError> {
        self.present.add(values, labels)?;
        self.adam.learn(values, labels)
    }

    fn end_step(&mut self) -> Result<(), LearnError> {
        let counts = self.present.counts();
        if self.earlier.rows() > 0 && !counts.is_empty() {
            let gaussians = ClassGaussians::of(&self.earlier)?;
            let rows = self.present.rows().div_ceil(counts.len() as u64) as usize;
            let seed = self.adam.seed().derive("pseudo-rehearsal", self.steps);
            for (place, &class) in gaussians.classes().iter().enumerate() {
                if !counts.contains_key(&class) {
                    self.adam.learn(&gaussians.sample(place, rows, seed), &vec![class; rows])?;
                }
            }
        }
        self.adam.end_step()?;
        self.earlier.merge(&self.present)?;
        self.present = self.present.emptied();
        self.steps += 1;
        Ok(())
    }

    fn predict(&self, values: &[f32]) -> Result<Vec<u32>, LearnError> {
        self.adam.predict(values)
    }

    fn state_bytes(&self) -> u64 {
        self.earlier.bytes() + self.adam.state_bytes()
    }

    fn head(&self) -> Option<LinearHead> {
        self.adam.head()
    }
}
