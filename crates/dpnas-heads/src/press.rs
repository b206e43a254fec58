//! Exact leave-one-out of ridge regression, where the rows are at hand.

use crate::error::check_rows;
use crate::factor::Factor;
use crate::linear::largest;
use crate::moments::Moments;
use crate::ridge::{GRID, grid, lowest, mean_eigenvalue, regression};
use crate::{HeadError, LinearHead, Statistics};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Rows that a task works on.
const BLOCK: usize = 256;

/// Most rows by whose error λ is chosen where each costs as much as a solution.
const SAMPLE: usize = 4096;

/// Ridge regression with the λ of the smallest leave-one-out error.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LeaveOneOut {
    /// The head of all rows.
    pub head: LinearHead,
    /// Its λ, in the units of the Gram matrix.
    pub lambda: f64,
    /// The part of the rows that are predicted right by the head of all other rows.
    pub accuracy: f64,
    /// Mean squared error of the scores of each row by the head of all other rows.
    pub error: f64,
}

/// Ridge regression on one-hot targets with λ by exact leave-one-out over all rows (PRESS): the error of each row under the
/// head of all others is `residual / (1 − leverage)`, so no head is solved for again.
///
/// λ is a minimum of the error on a grid, found by going downhill in steps of two decades, then one, then half a decade. The
/// system that is solved is that of the features if there are clearly fewer than rows, else that of the rows. In the first
/// case at most 4,096 rows, evenly spaced, choose λ.
///
/// `read` fills a matrix with the rows of a range, row after row. It is called several times for each row, and from several
/// threads. No bit depends on the number of threads.
///
/// # Source
/// Allen, 1974.
///
/// # Errors
/// If a row is not finite, there are fewer than two, or reading fails.
pub fn leave_one_out<E: From<HeadError> + Send>(
    features: usize,
    labels: &[u32],
    read: impl Fn(Range<usize>, &mut [f32]) -> Result<(), E> + Sync,
) -> Result<LeaveOneOut, E> {
    if labels.len() < 2 {
        return Err(HeadError::Empty.into());
    }
    let is_primal = is_primal(labels.len(), features);
    let moments = if is_primal { moments(features, labels, &read)? } else { means(features, labels, &read)? };
    let place = |label: &u32| moments.classes.binary_search(label).unwrap_or_default();
    let rows = Rows { moments: &moments, classes: labels.iter().map(place).collect(), read };
    let fit = if is_primal { rows.primal()? } else { rows.dual()? };
    Ok(LeaveOneOut {
        head: regression(&moments, &fit.solution),
        lambda: fit.lambda,
        accuracy: fit.correct as f64 / moments.rows,
        error: fit.error / moments.rows,
    })
}

/// Whether the system of the features is solved. With nearly as many features as rows the errors are ratios of small
/// numbers, and the system of the rows has them without a difference of large ones.
fn is_primal(rows: usize, features: usize) -> bool {
    features <= rows / 4 * 3
}

/// Bytes that [`leave_one_out`] takes beside the rows, from above.
pub fn leave_one_out_memory(rows: usize, features: usize, classes: usize, threads: usize) -> u64 {
    let (n, d, c, threads) = (rows as u64, features as u64, classes as u64, threads as u64);
    let is_primal = is_primal(rows, features);
    let order = if is_primal { d } else { n };
    // Scatter and Gram matrix, or the rows and their products; then the factor.
    let matrices = 8 * order * order + if is_primal { 12 * d * d } else { 12 * n * d + 24 * c * d + 8 * n * n };
    let blocks = threads * BLOCK as u64 * (4 * d + 24 * order + 8 * c);
    // Solutions, and the blocks that the factor has beside its triangle.
    matrices + blocks + 8 * order * (8 * c + 200)
}

/// Ranges of rows, a block each.
fn blocks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(BLOCK).map(move |start| start..rows.min(start + BLOCK))
}

/// Passes rows and their labels to `take`, block by block.
fn for_each_block<E: From<HeadError>>(
    features: usize,
    labels: &[u32],
    read: impl Fn(Range<usize>, &mut [f32]) -> Result<(), E>,
    mut take: impl FnMut(&[f32], &[u32]) -> Result<(), HeadError>,
) -> Result<(), E> {
    let mut values = Vec::new();
    for range in blocks(labels.len()) {
        values.resize(range.len() * features, 0.0);
        read(range.clone(), &mut values)?;
        take(&values, &labels[range])?;
    }
    Ok(())
}

/// Means and scatter.
fn moments<E: From<HeadError>>(
    features: usize,
    labels: &[u32],
    read: impl Fn(Range<usize>, &mut [f32]) -> Result<(), E>,
) -> Result<Moments, E> {
    let mut statistics = Statistics::float(features)?;
    for_each_block(features, labels, read, |values, labels| statistics.add(values, labels))?;
    Ok(Moments::of(&statistics)?)
}

/// Means alone: with more features than rows, their scatter is the most work and is not needed.
fn means<E: From<HeadError>>(
    features: usize,
    labels: &[u32],
    read: impl Fn(Range<usize>, &mut [f32]) -> Result<(), E>,
) -> Result<Moments, E> {
    let mut sums: BTreeMap<u32, (f64, Vec<f64>)> = BTreeMap::new();
    for_each_block(features, labels, read, |values, labels| {
        check_rows(values, features)?;
        for (row, label) in values.chunks_exact(features).zip(labels) {
            let (count, sum) = sums.entry(*label).or_insert_with(|| (0.0, vec![0.0; features]));
            *count += 1.0;
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        Ok(())
    })?;
    let (rows, counts) = (labels.len() as f64, sums.values().map(|(count, _)| *count).collect::<Vec<f64>>());
    let total = |feature: usize| sums.values().map(|(_, sum)| sum[feature]).sum::<f64>();
    let mean = (0..features).map(|feature| total(feature) / rows).collect();
    let of_class: Vec<&Vec<f64>> = sums.values().map(|(_, sum)| sum).collect();
    let class_means = Mat::from_fn(features, of_class.len(), |feature, class| of_class[class][feature] / counts[class]);
    Ok(Moments { rows, classes: sums.keys().copied().collect(), counts, mean, class_means, scatter: Mat::new() })
}

/// The solution for a λ, and how it predicts rows that it has not seen.
struct Fit {
    lambda: f64,
    /// Weights, or the factors of the rows in them; a column for each class.
    solution: Mat<f64>,
    /// Sum of squared errors.
    error: f64,
    /// Number of right predictions.
    correct: usize,
}

/// The fit with a minimum of the error on the grid of λ.
fn best_fit<E: From<HeadError>>(
    mean_eigenvalue: f64,
    mut fit: impl FnMut(f64) -> Result<Option<Fit>, E>,
) -> Result<Fit, E> {
    let grid = grid(mean_eigenvalue);
    let best = lowest::<_, E>(&grid, |lambda| Ok(fit(lambda)?.map(|fit| (fit.error, fit))))?;
    let singular = || HeadError::Singular { first: grid[GRID - 1], last: grid[0] };
    Ok(best.ok_or_else(singular)?)
}

/// The rows of a problem.
struct Rows<'a, R> {
    moments: &'a Moments,
    /// The place of each row's class.
    classes: Vec<usize>,
    read: R,
}

impl<E, R> Rows<'_, R>
where
    E: From<HeadError> + Send,
    R: Fn(Range<usize>, &mut [f32]) -> Result<(), E> + Sync,
{
    /// Rows about their mean, row after row.
    fn centred(&self, rows: &[usize]) -> Result<Vec<f64>, E> {
        let features = self.moments.mean.len();
        let mut values = vec![0.0; rows.len() * features];
        match rows {
            [first, .., last] if last - first + 1 == rows.len() => (self.read)(*first..last + 1, &mut values)?,
            _ => {
                for (row, out) in rows.iter().zip(values.chunks_exact_mut(features)) {
                    (self.read)(*row..row + 1, out)?;
                }
            }
        }
        check_rows(&values, features)?;
        Ok(values.iter().zip(self.moments.mean.iter().cycle()).map(|(&value, mean)| f64::from(value) - mean).collect())
    }

    /// By the products of the features.
    fn primal(&self) -> Result<Fit, E> {
        let sides = self.moments.centred_means(1.0);
        let count = self.classes.len();
        let fit = |lambda: f64, rows: &[usize]| -> Result<Option<Fit>, E> {
            let Some(factor) = Factor::of(self.moments.scatter.as_ref(), lambda) else { return Ok(None) };
            let solution = factor.solve(&sides);
            let blocks: Vec<(f64, usize)> = rows
                .par_chunks(BLOCK)
                .map(|rows| self.errors_of(rows, &factor, &solution))
                .collect::<Result<_, E>>()?;
            // In the order of the rows, so that no number of threads changes a bit.
            let (error, correct) = blocks.iter().fold((0.0, 0), |sum, block| (sum.0 + block.0, sum.1 + block.1));
            Ok(Some(Fit { lambda, solution, error, correct }))
        };
        let sample = SAMPLE.min(count);
        let rows: Vec<usize> = (0..sample).map(|place| place * count / sample).collect();
        let best = best_fit(mean_eigenvalue(&self.moments.scatter), |lambda| fit(lambda, &rows))?;
        if sample == count {
            return Ok(best);
        }
        let all: Vec<usize> = (0..count).collect();
        Ok(fit(best.lambda, &all)?.unwrap_or(best))
    }

    /// Errors of some rows. The leverage of a row `x` is `xᵀ (S + λ)⁻¹ x`.
    fn errors_of(&self, rows: &[usize], factor: &Factor, solution: &Mat<f64>) -> Result<(f64, usize), E> {
        let mut values = self.centred(rows)?;
        let mut columns = MatMut::from_column_major_slice_mut(&mut values, solution.nrows(), rows.len());
        let scores = columns.as_ref().transpose() * solution;
        factor.solve_lower(columns.as_mut());
        let leverages: Vec<f64> = columns.as_ref().col_iter().map(|column| column.squared_norm_l2()).collect();
        let share = |class: usize| self.moments.counts[class] / self.moments.rows;
        Ok(self.errors(rows, |place, class| {
            let residual = f64::from(class == self.classes[rows[place]]) - share(class) - scores[(place, class)];
            // A leverage of 1 means that the other rows say nothing about this one.
            residual / (1.0 - 1.0 / self.moments.rows - leverages[place]).max(f64::EPSILON)
        }))
    }

    /// By the products of the rows.
    fn dual(&self) -> Result<Fit, E> {
        let (count, features) = (self.classes.len(), self.moments.mean.len());
        let centred = self.centred(&(0..count).collect::<Vec<_>>())?;
        let centred = MatRef::from_row_major_slice(&centred, count, features);
        let fit = self.of_kernel(products(centred), features)?;
        Ok(Fit { solution: centred.transpose() * &fit.solution, ..fit })
    }

    /// From the products of all centred rows with each other; the solution has the factors of the rows in the head.
    fn of_kernel(&self, mut kernel: Vec<f64>, features: usize) -> Result<Fit, E> {
        let count = self.classes.len();
        // Its trace is that of the scatter.
        let trace: f64 = kernel.iter().step_by(count + 1).sum();
        // Centred rows have a constant direction without products. With one, no small λ hides in its inverse.
        let raised = trace / count.pow(2) as f64;
        kernel.iter_mut().for_each(|product| *product += raised);
        let kernel = MatRef::from_row_major_slice(&kernel, count, count);
        let targets = Mat::from_fn(count, self.moments.classes.len(), |row, class| {
            f64::from(self.classes[row] == class) - self.moments.counts[class] / self.moments.rows
        });
        let rows: Vec<usize> = (0..count).collect();
        best_fit(trace / features as f64, |lambda| {
            let Some(factor) = Factor::of(kernel, lambda) else { return Ok(None) };
            let (solution, inverse) = (factor.solve(&targets), factor.inverse_diagonal());
            let constant = (self.moments.rows * (lambda + self.moments.rows * raised)).recip();
            // The residual over what the leverage leaves of 1, both divided by λ.
            let (error, correct) = self.errors(&rows, |row, class| solution[(row, class)] / (inverse[row] - constant));
            Ok(Some(Fit { lambda, solution, error, correct }))
        })
    }

    /// Sum of squared leave-one-out residuals of some rows, and how many are predicted right. `residual` gives that of a
    /// place among them and a class.
    fn errors(&self, rows: &[usize], residual: impl Fn(usize, usize) -> f64) -> (f64, usize) {
        let (mut error, mut correct) = (0.0, 0);
        let mut scores = vec![0.0; self.moments.classes.len()];
        for (place, row) in rows.iter().enumerate() {
            let own = self.classes[*row];
            for (class, score) in scores.iter_mut().enumerate() {
                let residual = residual(place, class);
                *score = f64::from(class == own) - residual;
                error += residual * residual;
            }
            correct += usize::from(largest(&scores) == own);
        }
        (error, correct)
    }
}

/// Products of rows with each other, row by row.
fn products(rows: MatRef<'_, f64>) -> Vec<f64> {
    let count = rows.nrows();
    let mut kernel = vec![0.0; count * count];
    kernel.par_chunks_mut(BLOCK * count).enumerate().for_each(|(block, out)| {
        let block = rows.subrows(block * BLOCK, out.len() / count);
        let out = MatMut::from_row_major_slice_mut(out, block.nrows(), count);
        matmul(out, Accum::Replace, block, rows.transpose(), 1.0, Par::Seq);
    });
    kernel
}

/// Products of centred rows with each other. Those of features side by side are the sum of those of each part, so a part
/// costs its features once, however often it is combined.
#[derive(Clone, Debug, PartialEq)]
pub struct RowKernel {
    /// `[rows, rows]`
    products: Vec<f64>,
    rows: usize,
    features: usize,
}

impl RowKernel {
    /// The products of rows, `[n, features]`.
    ///
    /// # Errors
    /// If there are no rows, or a value is not finite.
    pub fn of(values: &[f32], features: usize) -> Result<Self, HeadError> {
        let rows = check_rows(values, features)?;
        if rows == 0 {
            return Err(HeadError::Empty);
        }
        let mut mean = vec![0.0; features];
        for row in values.chunks_exact(features) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= rows as f64);
        let centred: Vec<f64> =
            values.iter().zip(mean.iter().cycle()).map(|(&value, mean)| f64::from(value) - mean).collect();
        Ok(Self { products: products(MatRef::from_row_major_slice(&centred, rows, features)), rows, features })
    }

    /// The products of the features of both side by side.
    ///
    /// # Errors
    /// [`HeadError::Features`] if the numbers of rows differ.
    pub fn beside(&self, other: &Self) -> Result<Self, HeadError> {
        if self.rows != other.rows {
            return Err(HeadError::Features { expected: self.rows, found: other.rows });
        }
        let products = self.products.iter().zip(&other.products).map(|(a, b)| a + b).collect();
        Ok(Self { products, rows: self.rows, features: self.features + other.features })
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Mean squared leave-one-out error and leave-one-out accuracy of the ridge regression, as [`leave_one_out`] finds
    /// them.
    ///
    /// # Errors
    /// If there is not a label for each row, there are fewer than two, or no λ makes it solvable.
    pub fn leave_one_out(&self, labels: &[u32]) -> Result<(f64, f64), HeadError> {
        if labels.len() != self.rows || self.rows < 2 {
            return Err(HeadError::Empty);
        }
        let mut counts: BTreeMap<u32, f64> = BTreeMap::new();
        labels.iter().for_each(|label| *counts.entry(*label).or_default() += 1.0);
        let (classes, counts): (Vec<u32>, Vec<f64>) = counts.into_iter().unzip();
        let places = labels.iter().map(|label| classes.binary_search(label).unwrap_or_default()).collect();
        let rows = self.rows as f64;
        let (mean, class_means, scatter) = (Vec::new(), Mat::new(), Mat::new());
        let moments = Moments { rows, classes, counts, mean, class_means, scatter };
        let read = |_: Range<usize>, _: &mut [f32]| Ok::<(), HeadError>(());
        let fit = Rows { moments: &moments, classes: places, read }.of_kernel(self.products.clone(), self.features)?;
        Ok((fit.error / rows, fit.correct as f64 / rows))
    }
}
