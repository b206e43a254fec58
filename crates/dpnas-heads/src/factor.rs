//! Cholesky factors in blocks, on all threads.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::prelude::*;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Rows and columns of a block: three of them stay in a core's cache.
const BLOCK: usize = 96;

/// The factor `L` of a positive definite matrix `L Lᵀ`. One thread computes a block, in one order, so no bit depends on
/// the number of threads.
#[derive(Clone, Debug)]
pub(crate) struct Factor {
    /// Rows of blocks, up to the diagonal.
    rows: Vec<Vec<Mat<f64>>>,
}

impl Factor {
    /// Of a symmetric matrix, whose lower triangle is read, with `shift` added to its diagonal. `None` if it is not positive
    /// definite.
    pub(crate) fn of(matrix: MatRef<'_, f64>, shift: f64) -> Option<Self> {
        let size = matrix.nrows();
        let starts: Vec<usize> = (0..size).step_by(BLOCK).collect();
        let width = |start: usize| BLOCK.min(size - start);
        let mut rows: Vec<Vec<Mat<f64>>> = starts
            .par_iter()
            .map(|&row| {
                let until_diagonal = starts.iter().take_while(|column| **column <= row);
                let mut blocks: Vec<Mat<f64>> = until_diagonal
                    .map(|&column| matrix.submatrix(row, column, width(row), width(column)).to_owned())
                    .collect();
                if let Some(diagonal) = blocks.last_mut() {
                    (0..width(row)).for_each(|i| diagonal[(i, i)] += shift);
                }
                blocks
            })
            .collect();
        let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(BLOCK, Par::Seq, Default::default()));
        for step in 0..rows.len() {
            let (above, below) = rows.split_at_mut(step + 1);
            let diagonal = &mut above[step][step];
            let stack = MemStack::new(&mut memory);
            cholesky_in_place(diagonal.as_mut(), Default::default(), Par::Seq, stack, Default::default()).ok()?;
            for (j, mut column) in diagonal.col_iter_mut().enumerate() {
                column.rb_mut().subrows_mut(0, j).fill(0.0);
            }
            let diagonal = diagonal.as_ref();
            let panel: Vec<Mat<f64>> = below
                .par_iter_mut()
                .map(|row| {
                    solve_lower_triangular_in_place(diagonal, row[step].transpose_mut(), Par::Seq);
                    row[step].clone()
                })
                .collect();
            below.par_iter_mut().for_each(|row| {
                let (left, right) = row.split_at_mut(step + 1);
                for (block, panel) in right.iter_mut().zip(&panel) {
                    matmul(block.as_mut(), Accum::Add, left[step].as_ref(), panel.transpose(), -1.0, Par::Seq);
                }
            });
        }
        Some(Self { rows })
    }

    /// `L · sides`
    pub(crate) fn times(&self, sides: &Mat<f64>) -> Mat<f64> {
        let mut product = Mat::zeros(sides.nrows(), sides.ncols());
        for (i, row) in self.rows.iter().enumerate() {
            for (j, block) in row.iter().enumerate() {
                let own = product.as_mut().subrows_mut(i * BLOCK, block.nrows());
                matmul(own, Accum::Add, block, sides.subrows(j * BLOCK, block.ncols()), 1.0, Par::Seq);
            }
        }
        product
    }

    /// Replaces the sides by `L⁻¹ · sides`.
    pub(crate) fn solve_lower(&self, mut sides: MatMut<'_, f64>) {
        for (i, row) in self.rows.iter().enumerate() {
            let (above, below) = sides.rb_mut().split_at_row_mut(i * BLOCK);
            let mut own = below.subrows_mut(0, row[i].nrows());
            for (j, block) in row[..i].iter().enumerate() {
                matmul(own.rb_mut(), Accum::Add, block, above.rb().subrows(j * BLOCK, BLOCK), -1.0, Par::Seq);
            }
            solve_lower_triangular_in_place(row[i].as_ref(), own, Par::Seq);
        }
    }

    /// The solution for these sides.
    pub(crate) fn solve(&self, sides: &Mat<f64>) -> Mat<f64> {
        let mut solution = sides.clone();
        self.solve_lower(solution.as_mut());
        for (i, row) in self.rows.iter().enumerate().rev() {
            let (above, below) = solution.as_mut().split_at_row_mut(i * BLOCK + row[i].nrows());
            let mut own = above.subrows_mut(i * BLOCK, row[i].nrows());
            for (j, row) in self.rows[i + 1..].iter().enumerate() {
                let other = below.rb().subrows(j * BLOCK, row[i].nrows());
                matmul(own.rb_mut(), Accum::Add, row[i].transpose(), other, -1.0, Par::Seq);
            }
            solve_upper_triangular_in_place(row[i].transpose(), own, Par::Seq);
        }
        solution
    }

    /// The diagonal of the inverse.
    pub(crate) fn inverse_diagonal(&self) -> Vec<f64> {
        // Columns of L⁻¹, a block at a time: their squared lengths.
        let of_block = |first: usize| {
            let width = self.rows[first][first].nrows();
            let mut columns: Vec<Mat<f64>> = Vec::new();
            for row in &self.rows[first..] {
                let (blocks, diagonal) = row[first..].split_at(columns.len());
                let mut own = if columns.is_empty() {
                    Mat::identity(width, width)
                } else {
                    Mat::zeros(diagonal[0].nrows(), width)
                };
                for (block, column) in blocks.iter().zip(&columns) {
                    matmul(own.as_mut(), Accum::Add, block, column, -1.0, Par::Seq);
                }
                solve_lower_triangular_in_place(diagonal[0].as_ref(), own.as_mut(), Par::Seq);
                columns.push(own);
            }
            (0..width).map(|i| columns.iter().map(|part| part.col(i).squared_norm_l2()).sum()).collect::<Vec<f64>>()
        };
        (0..self.rows.len()).into_par_iter().flat_map_iter(of_block).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_seed::Seed;
    use faer::linalg::solvers::DenseSolveCore as _;

    #[test]
    fn a_factor_solves_and_has_the_diagonal_of_the_inverse() {
        for size in [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let mut normal = vec![0.0; size * (size + 3)];
            Seed(size as u64).stream("rows", 0).fill_normal(0, &mut normal);
            let rows = Mat::from_fn(size + 3, size, |i, j| f64::from(normal[i * size + j]));
            let matrix = rows.transpose() * &rows;
            let shifted = Mat::from_fn(size, size, |i, j| matrix[(i, j)] + if i == j { 0.5 } else { 0.0 });
            let inverse = shifted.partial_piv_lu().inverse();
            let sides = Mat::from_fn(size, 3, |i, j| ((i * 3 + j + 1) as f64).sin());
            let factor = Factor::of(matrix.as_ref(), 0.5).unwrap();
            let mut again = factor.times(&sides);
            factor.solve_lower(again.as_mut());
            assert!((again - &sides).norm_max() < 1e-9);
            assert!((factor.solve(&sides) - &inverse * &sides).norm_max() < 1e-9 * inverse.norm_max());
            for (i, found) in factor.inverse_diagonal().into_iter().enumerate() {
                assert!((found / inverse[(i, i)] - 1.0).abs() < 1e-9, "{size} {i}: {found}");
            }
            assert!(Factor::of(matrix.as_ref(), -1e6).is_none(), "not positive definite");
        }
    }
}
