//! Symmetric linear systems with λ on the diagonal.

use crate::{HeadError, LinearHead};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::cholesky::llt::solve::{solve_in_place, solve_in_place_scratch};
use faer::linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::householder::{
    apply_block_householder_sequence_transpose_on_the_left_in_place_scratch,
    apply_block_householder_sequence_transpose_on_the_left_in_place_with_conj,
};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{Accum, ColRef, Conj, Mat, MatRef, Par};

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

/// A tridiagonal matrix `T` of a symmetric matrix `Q T Qᵀ`.
pub(crate) struct Tridiagonal {
    diagonal: Vec<f64>,
    below: Vec<f64>,
}

impl Tridiagonal {
    /// Of a matrix whose lower triangle is given; the sides come back as `Qᵀ · sides`.
    pub(crate) fn of(matrix: &Mat<f64>, mut sides: Mat<f64>) -> (Self, Mat<f64>) {
        let (size, mut reduced) = (matrix.nrows(), matrix.clone());
        let block = recommended_block_size::<f64>(size, size);
        let mut householder = Mat::zeros(block, size - 1);
        let reduce = tridiag_in_place_scratch::<f64>(size, Par::Seq, Default::default());
        let rotate = apply_block_householder_sequence_transpose_on_the_left_in_place_scratch::<f64>(
            size - 1,
            block,
            sides.ncols(),
        );
        let mut memory = MemBuffer::new(reduce.or(rotate));
        let stack = MemStack::new(&mut memory);
        tridiag_in_place(reduced.as_mut(), householder.as_mut(), Par::Seq, stack, Default::default());
        if size > 1 {
            apply_block_householder_sequence_transpose_on_the_left_in_place_with_conj(
                reduced.as_ref().submatrix(1, 0, size - 1, size - 1),
                householder.as_ref(),
                Conj::No,
                sides.as_mut().subrows_mut(1, size - 1),
                Par::Seq,
                stack,
            );
        }
        let diagonal = (0..size).map(|i| reduced[(i, i)]).collect();
        (Self { diagonal, below: (1..size).map(|i| reduced[(i, i - 1)]).collect() }, sides)
    }

    /// The inverse of `T + λ`.
    pub(crate) fn inverse(&self, lambda: f64) -> TridiagonalInverse<'_> {
        let (diagonal, below) = (&self.diagonal, &self.below);
        let mut first: Vec<f64> = diagonal.iter().map(|value| value + lambda).collect();
        let mut last = first.clone();
        for i in 1..first.len() {
            first[i] -= below[i - 1] * below[i - 1] / first[i - 1];
        }
        for i in (1..last.len()).rev() {
            last[i - 1] -= below[i - 1] * below[i - 1] / last[i];
        }
        TridiagonalInverse { matrix: self, lambda, first, last }
    }
}

/// The inverse of a tridiagonal matrix with λ on its diagonal, by its pivots from both ends.
pub(crate) struct TridiagonalInverse<'a> {
    matrix: &'a Tridiagonal,
    lambda: f64,
    first: Vec<f64>,
    last: Vec<f64>,
}

impl TridiagonalInverse<'_> {
    pub(crate) fn trace(&self) -> f64 {
        let pivots = self.first.iter().zip(&self.last).zip(&self.matrix.diagonal);
        pivots.map(|((first, last), value)| (first + last - value - self.lambda).recip()).sum()
    }

    pub(crate) fn times(&self, side: ColRef<'_, f64>) -> Vec<f64> {
        let (below, pivots) = (&self.matrix.below, &self.first);
        let mut solution: Vec<f64> = side.iter().copied().collect();
        for i in 1..solution.len() {
            solution[i] -= below[i - 1] / pivots[i - 1] * solution[i - 1];
        }
        for i in (0..solution.len()).rev() {
            let next = solution.get(i + 1).map_or(0.0, |next| below[i] * next);
            solution[i] = (solution[i] - next) / pivots[i];
        }
        solution
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_seed::Seed;

    #[test]
    fn a_tridiagonal_matrix_has_the_inverse_of_the_whole_matrix() {
        for size in [1, 2, 7, 40, 70] {
            let mut normal = vec![0.0; size * (size + 3)];
            Seed(size as u64).stream("rows", 0).fill_normal(0, &mut normal);
            let rows = Mat::from_fn(size + 3, size, |i, j| f64::from(normal[i * size + j]));
            let (matrix, sides) =
                (rows.transpose() * &rows, Mat::from_fn(size, 3, |i, j| ((i * 3 + j + 1) as f64).sin()));
            let (values, vectors) = eigen(&matrix).unwrap();
            let (tridiagonal, rotated) = Tridiagonal::of(&matrix, sides.clone());
            for lambda in [1e-6, 0.3, 1e4] {
                let inverse = tridiagonal.inverse(lambda);
                let trace: f64 = values.iter().map(|value| (value + lambda).recip()).sum();
                assert!((inverse.trace() / trace - 1.0).abs() < 1e-7, "{size} {lambda}: {} {trace}", inverse.trace());
                for column in 0..3 {
                    let products = vectors.transpose() * sides.col(column);
                    let expected: f64 =
                        products.iter().zip(&values).map(|(product, value)| product * product / (value + lambda)).sum();
                    let side = rotated.col(column);
                    let found: f64 = inverse.times(side).iter().zip(side.iter()).map(|(a, b)| a * b).sum();
                    assert!((found / expected - 1.0).abs() < 1e-7, "{size} {lambda}: {found} {expected}");
                }
            }
        }
    }
}
