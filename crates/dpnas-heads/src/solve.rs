//! Symmetric linear systems with λ on the diagonal.

use crate::factor::Factor;
use crate::{HeadError, LinearHead};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, MatRef, Par};

/// Attempts with a λ ten times as large.
const ATTEMPTS: i32 = 16;

/// A head and how it was solved for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Solution {
    /// The head.
    pub head: LinearHead,
    /// The λ, or the shrinkage of a discriminant, that was used.
    pub lambda: f64,
    /// Smaller values for which the matrix was not positive definite.
    pub failed: Vec<f64>,
    /// Norm of the residual divided by that of the right-hand sides, after one step of refinement.
    pub residual: f64,
}

/// Solves `(matrix + shift(λ)) X = sides` by Cholesky's method with one step of refinement. `system` gives the lower
/// triangle for a λ; where it is not positive definite, ten times the λ is tried.
pub(crate) fn solve(
    first: f64,
    sides: &Mat<f64>,
    system: impl Fn(f64) -> Mat<f64>,
) -> Result<(Mat<f64>, f64, Vec<f64>, f64), HeadError> {
    let mut failed = Vec::new();
    for attempt in 0..ATTEMPTS {
        let lambda = first * 10f64.powi(attempt);
        let matrix = system(lambda);
        let Some(factor) = Factor::of(matrix.as_ref(), 0.0) else {
            failed.push(lambda);
            continue;
        };
        let mut solution = factor.solve(sides);
        solution += factor.solve(&residual(&matrix, &solution, sides));
        let rest = residual(&matrix, &solution, sides).norm_l2();
        let norm = sides.norm_l2();
        if rest.is_finite() {
            return Ok((solution, lambda, failed, if norm > 0.0 { rest / norm } else { rest }));
        }
        failed.push(lambda);
    }
    Err(HeadError::Singular { first, last: first * 10f64.powi(ATTEMPTS - 1) })
}

/// `sides − matrix · solution`, of a symmetric matrix whose lower triangle is given.
fn residual(matrix: &Mat<f64>, solution: &Mat<f64>, sides: &Mat<f64>) -> Mat<f64> {
    let mut rest = sides.clone();
    let mut subtract = |part: MatRef<'_, f64>, structure| {
        let (whole, rest) = (BlockStructure::Rectangular, rest.as_mut());
        matmul(rest, whole, Accum::Add, part, structure, solution.as_ref(), whole, -1.0, Par::Seq);
    };
    subtract(matrix.as_ref(), BlockStructure::TriangularLower);
    subtract(matrix.transpose(), BlockStructure::StrictTriangularUpper);
    rest
}
