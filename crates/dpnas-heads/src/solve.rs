//! Symmetric linear systems with λ on the diagonal.

use crate::{HeadError, LinearHead};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::cholesky::llt::solve::{solve_in_place, solve_in_place_scratch};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
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
        let Some(factor) = factor(&matrix) else {
            failed.push(lambda);
            continue;
        };
        let mut solution = sides.clone();
        back_substitute(&factor, &mut solution);
        let mut correction = residual(&matrix, &solution, sides);
        back_substitute(&factor, &mut correction);
        solution += &correction;
        let rest = residual(&matrix, &solution, sides).norm_l2();
        let norm = sides.norm_l2();
        if rest.is_finite() {
            return Ok((solution, lambda, failed, if norm > 0.0 { rest / norm } else { rest }));
        }
        failed.push(lambda);
    }
    Err(HeadError::Singular { first, last: first * 10f64.powi(ATTEMPTS - 1) })
}

/// The lower factor; `None` if the matrix is not positive definite.
pub(crate) fn factor(matrix: &Mat<f64>) -> Option<Mat<f64>> {
    let mut factor = matrix.clone();
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(matrix.nrows(), Par::Seq, Default::default()));
    let stack = MemStack::new(&mut memory);
    cholesky_in_place(factor.as_mut(), Default::default(), Par::Seq, stack, Default::default()).ok()?;
    Some(factor)
}

fn back_substitute(factor: &Mat<f64>, sides: &mut Mat<f64>) {
    let scratch = solve_in_place_scratch::<f64>(factor.nrows(), sides.ncols(), Par::Seq);
    let mut memory = MemBuffer::new(scratch);
    solve_in_place(factor.as_ref(), sides.as_mut(), Par::Seq, MemStack::new(&mut memory));
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

/// Eigenvalues in ascending order and eigenvectors, a column each, of a symmetric matrix whose lower triangle is given.
pub(crate) fn eigen(matrix: &Mat<f64>) -> Result<(Vec<f64>, Mat<f64>), HeadError> {
    let size = matrix.nrows();
    let (mut values, mut vectors) = (Diag::zeros(size), Mat::zeros(size, size));
    let scratch = self_adjoint_evd_scratch::<f64>(size, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(matrix.as_ref(), values.as_mut(), Some(vectors.as_mut()), Par::Seq, stack, Default::default())
        .map_err(|_| HeadError::Singular { first: 0.0, last: 0.0 })?;
    // Scatter matrices have no negative eigenvalues but those of rounding.
    let values = values.column_vector().iter().map(|&value: &f64| value.max(0.0)).collect();
    Ok((values, vectors))
}
