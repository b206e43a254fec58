//! Nearest class mean and linear discriminant analysis.

use crate::gram::triangle;
use crate::moments::Moments;
use crate::solve::solve;
use crate::{HeadError, LinearHead, Solution, Statistics};
use faer::{ColRef, Mat};
use std::cmp::Ordering;
use std::collections::BTreeMap;

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
    Ok(discriminant(moments.classes, &moments.class_means, &moments.class_means))
}

/// The head of linear discriminant analysis with the pooled covariance of the classes, and equal priors.
///
/// # Errors
/// [`HeadError::Empty`], a shrinkage out of range, or [`HeadError::Singular`].
pub fn lda(statistics: &Statistics, shrinkage: Shrinkage) -> Result<Solution, HeadError> {
    let moments = Moments::of(statistics)?;
    let (covariance, sphere, part) = shrunk_covariance(&moments, shrinkage)?;
    let features = covariance.nrows();
    let (weights, lambda, failed, residual) = solve(part, &moments.class_means, |part| {
        let part = part.min(1.0);
        let mut shrunk = covariance.clone();
        shrunk *= faer::Scale(1.0 - part);
        (0..features).for_each(|i| shrunk[(i, i)] += part * sphere);
        shrunk
    })?;
    Ok(Solution {
        head: discriminant(moments.classes, &moments.class_means, &weights),
        lambda: lambda.min(1.0),
        failed,
        residual,
    })
}

/// The pooled covariance of the classes (its lower triangle), its mean variance, and the part that the sphere replaces.
pub(crate) fn shrunk_covariance(moments: &Moments, shrinkage: Shrinkage) -> Result<(Mat<f64>, f64, f64), HeadError> {
    let mut covariance = moments.within_scatter();
    covariance *= faer::Scale(1.0 / moments.rows);
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
    Ok((covariance, if sphere > 0.0 { sphere } else { 1.0 }, part))
}

/// The discriminant of given means and a given covariance (its lower triangle, row by row), of which `part` is replaced by the
/// identity.
///
/// # Errors
/// [`HeadError::Empty`], means of another number of features, a part out of range, or [`HeadError::Singular`].
pub fn shrunk_discriminant(
    means: &BTreeMap<u32, &[f64]>,
    covariance: &[f64],
    part: f64,
) -> Result<LinearHead, HeadError> {
    let features = means.values().next().ok_or(HeadError::Empty)?.len();
    if let Some(other) = means.values().find(|mean| mean.len() != features || triangle(features) != covariance.len()) {
        return Err(HeadError::Features { expected: features, found: other.len() });
    }
    if !(part > 0.0 && part <= 1.0) {
        return Err(HeadError::Setting { setting: "shrinkage", value: part, expected: "above 0 and at most 1" });
    }
    let columns: Vec<&[f64]> = means.values().copied().collect();
    let means_of = Mat::from_fn(features, columns.len(), |feature, class| columns[class][feature]);
    let (weights, ..) = solve(part, &means_of, |part| {
        let part = part.min(1.0);
        Mat::from_fn(features, features, |i, j| match i.cmp(&j) {
            Ordering::Less => 0.0,
            Ordering::Equal => (1.0 - part) * covariance[triangle(i) + j] + part,
            Ordering::Greater => (1.0 - part) * covariance[triangle(i) + j],
        })
    })?;
    Ok(discriminant(means.keys().copied().collect(), &means_of, &weights))
}

/// The head with these weights, a column for each class, whose scores are equal half-way between two means.
fn discriminant(classes: Vec<u32>, means: &Mat<f64>, weights: &Mat<f64>) -> LinearHead {
    let bias = |(weights, means): (ColRef<'_, f64>, ColRef<'_, f64>)| {
        -0.5 * weights.iter().zip(means.iter()).map(|(weight, mean)| weight * mean).sum::<f64>()
    };
    let biases = weights.col_iter().zip(means.col_iter()).map(bias).collect();
    LinearHead::of_columns(classes, weights, biases)
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
