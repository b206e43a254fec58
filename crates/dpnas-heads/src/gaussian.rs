//! Rows drawn from the statistics of a class.

use crate::factor::Factor;
use crate::lda::shrunk_covariance;
use crate::moments::Moments;
use crate::{HeadError, Shrinkage, Statistics};
use dpnas_seed::Seed;
use faer::Mat;

/// A normal distribution for each class: its mean, and the shrunk covariance that all classes share.
///
/// # Source
/// Gaussian pseudo-rehearsal, as in FeTrIL and SLCA (Zhang et al., 2023), with the pooled covariance of LDA.
#[derive(Clone, Debug)]
pub struct ClassGaussians {
    classes: Vec<u32>,
    means: Mat<f64>,
    /// Of the covariance.
    factor: Factor,
}

impl ClassGaussians {
    /// The distributions of the classes that have rows. The covariance is shrunk as in [`lda`](crate::lda) with
    /// [`Shrinkage::Oas`].
    ///
    /// # Errors
    /// [`HeadError::Empty`], or [`HeadError::Singular`].
    pub fn of(statistics: &Statistics) -> Result<Self, HeadError> {
        let moments = Moments::of(statistics)?;
        let (covariance, sphere, part) = shrunk_covariance(&moments, Shrinkage::Oas)?;
        let factor = |part: f64| {
            let mut shrunk = covariance.clone();
            shrunk *= faer::Scale(1.0 - part);
            Factor::of(shrunk.as_ref(), part * sphere)
        };
        // Rounding may leave a covariance that is no longer positive definite; the whole sphere always is.
        let factor = (0..16).find_map(|attempt| factor((part * 10f64.powi(attempt)).min(1.0)));
        let factor = factor.ok_or(HeadError::Singular { first: part, last: 1.0 })?;
        Ok(Self { classes: moments.classes, means: moments.class_means, factor })
    }

    /// The classes, in ascending order.
    pub fn classes(&self) -> &[u32] {
        &self.classes
    }

    /// Draws rows of the class at `place` among [`classes`](Self::classes), row after row.
    pub fn sample(&self, place: usize, rows: usize, seed: Seed) -> Vec<f32> {
        let features = self.means.nrows();
        let mut normal = vec![0.0f32; rows * features];
        seed.stream("pseudo-rows", place as u64).fill_normal(0, &mut normal);
        let draws = Mat::from_fn(features, rows, |feature, row| f64::from(normal[row * features + feature]));
        let deviations = self.factor.times(&draws);
        let mean = self.means.col(place);
        deviations
            .col_iter()
            .flat_map(|deviation| deviation.iter().zip(mean.iter()).map(|(part, mean)| (mean + part) as f32))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_rows_have_the_mean_and_covariance_of_the_statistics() {
        // Correlated features, two classes far apart.
        let mut normal = vec![0.0; 2 * 4000];
        Seed(1).stream("rows", 0).fill_normal(0, &mut normal);
        let rows: Vec<f32> = normal
            .chunks_exact(2)
            .enumerate()
            .flat_map(|(row, z)| [z[0] + (row % 2) as f32 * 5.0, 0.8 * z[0] + 0.6 * z[1]])
            .collect();
        let labels: Vec<u32> = (0..4000).map(|row| row % 2 * 3).collect();
        let mut statistics = Statistics::float(2).unwrap();
        statistics.add(&rows, &labels).unwrap();
        let gaussians = ClassGaussians::of(&statistics).unwrap();
        assert_eq!(gaussians.classes(), [0, 3]);
        let drawn = gaussians.sample(1, 20_000, Seed(2));
        assert_eq!(drawn, gaussians.sample(1, 20_000, Seed(2)));
        let mean = |value: &dyn Fn(&[f32]) -> f32| {
            drawn.chunks_exact(2).map(|row| f64::from(value(row))).sum::<f64>() / 20_000.0
        };
        let (x, y) = (mean(&|row| row[0]), mean(&|row| row[1]));
        assert!((x - 5.0).abs() < 0.1 && y.abs() < 0.1, "{x} {y}");
        let covariance = mean(&|row| row[0] * row[1]) - x * y;
        assert!((covariance - 0.8).abs() < 0.05, "{covariance}");
        assert!(ClassGaussians::of(&Statistics::float(2).unwrap()).is_err());
    }
}
