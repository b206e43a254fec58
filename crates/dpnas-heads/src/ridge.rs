//! Ridge regression on one-hot targets.

use crate::moments::Moments;
use crate::solve::{Tridiagonal, solve};
use crate::{HeadError, LinearHead, Solution, Statistics};
use faer::Mat;

/// How λ of a ridge regression is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Lambda {
    /// This λ, in the units of the Gram matrix.
    Fixed(f64),
    /// The minimum of generalised cross-validation on a grid, from the statistics alone: no row is held out, and the order
    /// of the rows does not matter.
    ///
    /// # Source
    /// Golub, Heath and Wahba, 1979.
    Gcv,
}

/// The head of ridge regression on one-hot targets; the bias is not penalised.
///
/// # Errors
/// [`HeadError::Empty`], a λ that is not above 0, or [`HeadError::Singular`].
pub fn ridge(statistics: &Statistics, lambda: Lambda) -> Result<Solution, HeadError> {
    if let Lambda::Fixed(value) = lambda
        && !(value > 0.0 && value.is_finite())
    {
        return Err(HeadError::Setting { setting: "λ", value, expected: "finite and above 0" });
    }
    let moments = Moments::of(statistics)?;
    let sides = moments.centred_means(1.0);
    let first = match lambda {
        Lambda::Fixed(lambda) => lambda,
        Lambda::Gcv => generalised_cross_validation(&moments, &sides),
    };
    let (weights, lambda, failed, residual) = solve(first, &sides, |lambda| {
        let mut system = moments.scatter.clone();
        (0..system.nrows()).for_each(|i| system[(i, i)] += lambda);
        system
    })?;
    Ok(Solution { head: regression(&moments, &weights), lambda, failed, residual })
}

/// The head with these weights, a column for each class, whose scores are right on average.
pub(crate) fn regression(moments: &Moments, weights: &Mat<f64>) -> LinearHead {
    let bias = |(weights, count): (faer::ColRef<'_, f64>, &f64)| {
        count / moments.rows - weights.iter().zip(&moments.mean).map(|(weight, mean)| weight * mean).sum::<f64>()
    };
    let biases = weights.col_iter().zip(&moments.counts).map(bias).collect();
    LinearHead::of_columns(moments.classes.clone(), weights, biases)
}

/// Least part of the squared targets that a residual must keep, so that rounding does not decide about it.
const RELIABLE: f64 = 1e-9;

/// Number of λ in the grid.
pub(crate) const GRID: usize = 21;

/// The mean of the eigenvalues of a matrix.
pub(crate) fn mean_eigenvalue(matrix: &Mat<f64>) -> f64 {
    (0..matrix.nrows()).map(|i| matrix[(i, i)]).sum::<f64>() / matrix.nrows() as f64
}

/// The grid of λ, the largest first: half decades from 10² to 10⁻⁸ times the mean eigenvalue of the scatter.
pub(crate) fn grid(mean_eigenvalue: f64) -> Vec<f64> {
    let unit = if mean_eigenvalue > 0.0 { mean_eigenvalue } else { 1.0 };
    (0..GRID).map(|place| unit * 10f64.powf(2.0 - 0.5 * place as f64)).collect()
}

/// The λ of the grid with the smallest `rows · RSS / (rows − tr H)²`; the largest of equals.
///
/// A tridiagonal matrix that is similar to the scatter gives both for each λ in linear time, without eigenvectors.
fn generalised_cross_validation(moments: &Moments, sides: &Mat<f64>) -> f64 {
    let (tridiagonal, sides) = Tridiagonal::of(&moments.scatter, sides.clone());
    let total: f64 = moments.counts.iter().map(|count| count * (1.0 - count / moments.rows)).sum();
    let score = |lambda: f64| {
        let inverse = tridiagonal.inverse(lambda);
        // H of the centred rows is `X (S + λ)⁻¹ Xᵀ`, of which the trace is `d − λ tr (S + λ)⁻¹`; the bias adds 1.
        let freedom = 1.0 + sides.nrows() as f64 - lambda * inverse.trace();
        let explained: f64 = sides
            .col_iter()
            .map(|side| {
                let solution = inverse.times(side);
                let product: f64 = side.iter().zip(&solution).map(|(side, value)| side * value).sum();
                product + lambda * solution.iter().map(|value| value * value).sum::<f64>()
            })
            .sum();
        // With as many features as rows small λ explain everything, and only rounding is left: such a λ has no score.
        match total - explained {
            rest if rest > RELIABLE * total => moments.rows * rest / (moments.rows - freedom).powi(2),
            _ => f64::INFINITY,
        }
    };
    let grid = grid(mean_eigenvalue(&moments.scatter));
    let mut best = (f64::INFINITY, grid[0]);
    for lambda in grid {
        let score = score(lambda);
        if score < best.0 {
            best = (score, lambda);
        }
    }
    best.1
}
