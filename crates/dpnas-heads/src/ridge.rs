//! Ridge regression on one-hot targets.

use crate::moments::Moments;
use crate::solve::{eigen, solve};
use crate::{HeadError, LinearHead, Solution, Statistics};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};

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
        Lambda::Gcv => generalised_cross_validation(&moments, &sides)?,
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

/// Number of λ in the grid.
pub(crate) const GRID: usize = 21;

/// The grid of λ, the largest first: half decades from 10² to 10⁻⁸ times the mean eigenvalue.
pub(crate) fn grid(scatter: &Mat<f64>) -> Vec<f64> {
    let mean = (0..scatter.nrows()).map(|i| scatter[(i, i)]).sum::<f64>() / scatter.nrows() as f64;
    let unit = if mean > 0.0 { mean } else { 1.0 };
    (0..GRID).map(|place| unit * 10f64.powf(2.0 - 0.5 * place as f64)).collect()
}

/// The λ of the grid with the smallest `rows · RSS / (rows − tr H)²`; the largest of equals.
fn generalised_cross_validation(moments: &Moments, sides: &Mat<f64>) -> Result<f64, HeadError> {
    let (values, vectors) = eigen(&moments.scatter)?;
    let mut rotated = Mat::<f64>::zeros(sides.nrows(), sides.ncols());
    matmul(rotated.as_mut(), Accum::Replace, vectors.transpose(), sides.as_ref(), 1.0, Par::Seq);
    let squares: Vec<f64> = rotated.row_iter().map(|row| row.iter().map(|value| value * value).sum()).collect();
    let total: f64 = moments.counts.iter().map(|count| count * (1.0 - count / moments.rows)).sum();
    let score = |lambda: f64| {
        let (mut explained, mut freedom) = (0.0, 1.0);
        for (&value, &square) in values.iter().zip(&squares) {
            let shrunk = value / (value + lambda);
            explained += square * (2.0 - shrunk) / (value + lambda);
            freedom += shrunk;
        }
        moments.rows * (total - explained).max(0.0) / (moments.rows - freedom).powi(2)
    };
    let mut best = (f64::INFINITY, f64::NAN);
    for lambda in grid(&moments.scatter) {
        let score = score(lambda);
        if score < best.0 {
            best = (score, lambda);
        }
    }
    Ok(if best.1.is_nan() { grid(&moments.scatter)[0] } else { best.1 })
}
