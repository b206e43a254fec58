//! Random Fourier features.

use dpnas_heads::{HeadError, Projection};
use dpnas_seed::Seed;
use std::f32::consts::TAU;

/// Random Fourier features of a Gaussian kernel `exp(-γ |x - y|²)`: `√(2 / outputs) · cos(row · Ω + b)`, with `Ω` normal of
/// variance `2 γ` and `b` uniform in `[0, 2π)`.
///
/// # Source
/// Rahimi and Recht, 2007; on pixels before a shrunk LDA: RanDumb (Prabhu et al., 2024).
#[derive(Clone, Debug, PartialEq)]
pub struct RandomFourier {
    projection: Projection,
    phases: Vec<f32>,
}

impl RandomFourier {
    /// Draws features of rows with `features` values.
    ///
    /// # Errors
    /// If there are no features or outputs, or γ is not a finite number above 0.
    pub fn new(seed: Seed, features: usize, outputs: usize, gamma: f64) -> Result<Self, HeadError> {
        if !(gamma > 0.0 && gamma.is_finite()) {
            return Err(HeadError::Setting { setting: "γ", value: gamma, expected: "finite and above 0" });
        }
        let projection = Projection::new(seed.derive("random Fourier features", 0), features, outputs)?;
        let mut phases = vec![0.0; outputs];
        seed.stream("random Fourier phases", 0).fill_uniform(0, 0.0, TAU, &mut phases);
        // A projection has weights of variance 1 / features.
        Ok(Self { projection: projection.scaled((2.0 * gamma * features as f64).sqrt() as f32), phases })
    }

    /// Number of features of a row.
    pub fn outputs(&self) -> usize {
        self.phases.len()
    }

    /// The features of each row, one row after another.
    ///
    /// # Errors
    /// If the values are not whole, finite rows.
    pub fn apply(&self, values: &[f32]) -> Result<Vec<f32>, HeadError> {
        let mut out = self.projection.apply_linear(values)?;
        let scale = (2.0 / self.outputs() as f64).sqrt() as f32;
        for row in out.chunks_exact_mut(self.outputs()) {
            for (value, phase) in row.iter_mut().zip(&self.phases) {
                *value = scale * libm::cosf(*value + phase);
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_features_are_the_kernel() {
        let features = RandomFourier::new(Seed(3), 5, 40_000, 0.3).unwrap();
        let rows = [[0.1, 0.5, -0.2, 0.7, 0.0], [0.3, -0.1, 0.4, 0.2, 0.6]];
        let out = features.apply(rows.as_flattened()).unwrap();
        let (a, b) = out.split_at(40_000);
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let squares: f64 = rows[0].iter().zip(&rows[1]).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        assert!((product(a, b) - (-0.3 * squares).exp()).abs() < 0.02);
        assert!((product(a, a) - 1.0).abs() < 0.02);
        assert!(RandomFourier::new(Seed(3), 5, 10, 0.0).is_err());
    }
}
