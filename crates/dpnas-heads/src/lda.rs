//! Nearest class mean and linear discriminant analysis.

use crate::moments::Moments;
use crate::solve::solve;
use crate::{HeadError, LinearHead, Solution, Statistics};
use faer::Mat;

/// How much of the covariance is replaced by that of a sphere with the same trace.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Shrinkage {
    /// Oracle-approximating shrinkage.
    ///
    /// # Source
    /// Chen, Wiesel, Eldar and Hero, 2010, equation 23.
    Oas,
    /// This part, from above 0 to 1.
    Fixed(f64),
}

/// The head that gives a row the class with the nearest mean.
///
/// # Errors
/// [`HeadError::Empty`].
pub fn nearest_class_mean(statistics: &Statistics) -> Result<LinearHead, HeadError> {
    let moments = Moments::of(statistics)?;
    Ok(discriminant(&moments, &moments.class_means))
}

/// The head of linear discriminant analysis with the pooled covariance of the classes, and equal priors.
///
/// # Errors
/// [`HeadError::Empty`], a shrinkage out of range, or [`HeadError::Singular`].
pub fn lda(statistics: &Statistics, shrinkage: Shrinkage) -> Result<Solution, HeadError> {
    let moments = Moments::of(statistics)?;
    let covariance = {
        let mut within = moments.within_scatter();
        within *= faer::Scale(1.0 / moments.rows);
        within
    };
    let features = covariance.nrows();
    let sphere = (0..features).map(|i| covariance[(i, i)]).sum::<f64>() / features as f64;
    let part = match shrinkage {
        Shrinkage::Oas => oas(&covariance, sphere, moments.rows),
        Shrinkage::Fixed(part) if part > 0.0 && part <= 1.0 => part,
        Shrinkage::Fixed(value) => {
            return Err(HeadError::Setting { setting: "shrinkage", value, expected: "above 0 and at most 1" });
        }
    };
    // Without any spread within the classes every direction is as good: the nearest mean decides.
    let sphere = if sphere > 0.0 { sphere } else { 1.0 };
    let (weights, lambda, failed, residual) = solve(part, &moments.class_means, |part| {
        let part = part.min(1.0);
        let mut shrunk = covariance.clone();
        shrunk *= faer::Scale(1.0 - part);
        (0..features).for_each(|i| shrunk[(i, i)] += part * sphere);
        shrunk
    })?;
    Ok(Solution { head: discriminant(&moments, &weights), lambda: lambda.min(1.0), failed, residual })
}

/// The head with these weights, a column for each class, whose scores are equal half-way between two means.
fn discriminant(moments: &Moments, weights: &Mat<f64>) -> LinearHead {
    let columns = || weights.col_iter().zip(moments.class_means.col_iter());
    let bias = |(weights, means): (faer::ColRef<'_, f64>, faer::ColRef<'_, f64>)| {
        -0.5 * weights.iter().zip(means.iter()).map(|(weight, mean)| weight * mean).sum::<f64>()
    };
    LinearHead {
        features: weights.nrows(),
        classes: moments.classes.clone(),
        weights: weights.col_iter().flat_map(|column| column.iter().copied().collect::<Vec<_>>()).collect(),
        biases: columns().map(bias).collect(),
    }
}

/// The oracle-approximating shrinkage of a covariance of `rows` rows whose mean variance is `sphere`.
fn oas(covariance: &Mat<f64>, sphere: f64, rows: f64) -> f64 {
    let features = covariance.nrows() as f64;
    let mut squares = 0.0;
    for (j, column) in covariance.col_iter().enumerate() {
        squares += column[j] * column[j] + 2.0 * column.iter().skip(j + 1).map(|value| value * value).sum::<f64>();
    }
    let mean_square = squares / (features * features);
    let (numerator, rest) = (mean_square + sphere * sphere, mean_square - sphere * sphere / features);
    let denominator = (rows + 1.0) * rest;
    // A covariance that is a sphere already has a denominator of 0. The smallest part keeps the matrix invertible.
    if denominator > 0.0 { (numerator / denominator).clamp(1e-12, 1.0) } else { 1.0 }
}
