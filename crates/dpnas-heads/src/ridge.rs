//! Ridge regression on one-hot targets.

use crate::factor::Factor;
use crate::moments::Moments;
use crate::solve::solve;
use crate::{HeadError, LinearHead, Solution, Statistics};
use faer::{ColRef, Mat};
use std::convert::Infallible;

/// How λ of a ridge regression is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Lambda {
    /// This λ, in the units of the Gram matrix.
    Fixed(f64),
    /// A minimum of generalised cross-validation on a grid, found by going downhill, from the statistics alone: no row is held out, and the order
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

/// Where the walk on the grid begins, and its first step.
const START: (usize, usize) = (8, 4);

/// Goes downhill on the grid in smaller and smaller steps. `fit` gives a score and what has it, or `None` where a λ makes the
/// system unsolvable; a score that is not finite is none.
pub(crate) fn lowest<T, E>(
    grid: &[f64],
    mut fit: impl FnMut(f64) -> Result<Option<(f64, T)>, E>,
) -> Result<Option<T>, E> {
    let (mut middle, mut step) = START;
    let (mut tried, mut best) = (vec![false; grid.len()], None::<(usize, f64, T)>);
    while step > 0 {
        for place in [middle, middle.saturating_sub(step), middle + step] {
            if place >= grid.len() || std::mem::replace(&mut tried[place], true) {
                continue;
            }
            if let Some((score, value)) = fit(grid[place])?
                && score.is_finite()
                && best.as_ref().is_none_or(|(_, best, _)| score < *best)
            {
                best = Some((place, score, value));
            }
        }
        match best {
            Some((place, ..)) if place != middle => middle = place,
            _ => step /= 2,
        }
    }
    Ok(best.map(|(.., value)| value))
}

/// The λ with a minimum of `rows · RSS / (rows − tr H)²` on the grid.
fn generalised_cross_validation(moments: &Moments, sides: &Mat<f64>) -> f64 {
    let total: f64 = moments.counts.iter().map(|count| count * (1.0 - count / moments.rows)).sum();
    let score = |lambda: f64| {
        let factor = Factor::of(moments.scatter.as_ref(), lambda)?;
        let solution = factor.solve(sides);
        // H of the centred rows is `X (S + λ)⁻¹ Xᵀ`, of which the trace is `d − λ tr (S + λ)⁻¹`; the bias adds 1.
        let trace: f64 = factor.inverse_diagonal().iter().sum();
        let freedom = 1.0 + sides.nrows() as f64 - lambda * trace;
        let product = |(side, solution): (ColRef<'_, f64>, ColRef<'_, f64>)| side.transpose() * solution;
        let explained: f64 =
            sides.col_iter().zip(solution.col_iter()).map(product).sum::<f64>() + lambda * solution.squared_norm_l2();
        // With as many features as rows small λ explain everything, and only rounding is left: such a λ has no score.
        let rest = total - explained;
        (rest > RELIABLE * total).then(|| (moments.rows * rest / (moments.rows - freedom).powi(2), lambda))
    };
    let grid = grid(mean_eigenvalue(&moments.scatter));
    let Ok::<_, Infallible>(best) = lowest(&grid, |lambda| Ok(score(lambda)));
    best.unwrap_or(grid[0])
}
