//! Seeded random projections.

use crate::HeadError;
use crate::error::check_rows;
use dpnas_seed::Seed;
use rayon::prelude::*;

/// Rows that share the weights they are multiplied with.
const ROWS: usize = 4;
/// Outputs whose sums stay in the cache.
const OUTPUTS: usize = 512;

/// A random projection followed by ReLU: `max(0, row · W)` with `W` normal of standard deviation `1 / √features`.
///
/// A row's result depends on that row alone, in every bit: products are added in the order of the features, without fused
/// multiply-adds.
///
/// # Source
/// McDonnell et al., RanPAC, NeurIPS 2023, section 4.2.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    features: usize,
    outputs: usize,
    /// Features × outputs.
    weights: Vec<f32>,
}

impl Projection {
    /// Draws a projection to `outputs` features.
    ///
    /// # Errors
    /// If there are no features or outputs.
    pub fn new(seed: Seed, features: usize, outputs: usize) -> Result<Self, HeadError> {
        if features == 0 || outputs == 0 {
            return Err(HeadError::NoFeatures);
        }
        let mut weights = vec![0.0; features * outputs];
        seed.stream("head projection", 0).fill_normal(0, &mut weights);
        let scale = (features as f64).sqrt().recip() as f32;
        weights.iter_mut().for_each(|weight| *weight *= scale);
        Ok(Self { features, outputs, weights })
    }

    /// Number of features of a projected row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The same projection with all weights times a factor.
    #[must_use]
    pub fn scaled(mut self, factor: f32) -> Self {
        self.weights.iter_mut().for_each(|weight| *weight *= factor);
        self
    }

    /// The projected rows, one after another.
    ///
    /// # Errors
    /// If the values are not whole, finite rows.
    pub fn apply(&self, values: &[f32]) -> Result<Vec<f32>, HeadError> {
        let mut projected = self.apply_linear(values)?;
        projected.iter_mut().for_each(|value| *value = value.max(0.0));
        Ok(projected)
    }

    /// The products without ReLU.
    ///
    /// # Errors
    /// If the values are not whole, finite rows.
    pub fn apply_linear(&self, values: &[f32]) -> Result<Vec<f32>, HeadError> {
        let rows = check_rows(values, self.features)?;
        let mut projected = vec![0.0; rows * self.outputs];
        let blocks = projected.par_chunks_mut(ROWS * self.outputs).zip(values.par_chunks(ROWS * self.features));
        blocks.for_each(|(out, rows)| {
            for start in (0..self.outputs).step_by(OUTPUTS) {
                let end = self.outputs.min(start + OUTPUTS);
                for (feature, weights) in self.weights.chunks_exact(self.outputs).enumerate() {
                    let weights = &weights[start..end];
                    let rows = rows.iter().skip(feature).step_by(self.features);
                    for (out, &value) in out.chunks_exact_mut(self.outputs).zip(rows) {
                        for (sum, weight) in out[start..end].iter_mut().zip(weights) {
                            *sum += value * weight;
                        }
                    }
                }
            }
        });
        Ok(projected)
    }
}
