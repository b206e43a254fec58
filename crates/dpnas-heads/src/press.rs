//! Exact leave-one-out of ridge regression, where the rows are at hand.

use crate::error::check_rows;
use crate::linear::largest;
use crate::moments::Moments;
use crate::ridge::{GRID, grid, mean_eigenvalue, regression};
use crate::solve::eigen;
use crate::{HeadError, LinearHead, Statistics};
use faer::linalg::matmul::matmul;
use faer::{Accum, ColRef, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Rows that a task works on.
const BLOCK: usize = 256;

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
/// `read` fills a matrix with the rows of a range, row after row. It is called several times for each row, and from several
/// threads. The eigenvectors are those of the features if there are at most as many as rows, else those of the rows. No
/// bit depends on the number of threads.
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
    let is_primal = features <= labels.len();
    let moments = if is_primal { moments(features, labels, &read)? } else { means(features, labels, &read)? };
    let place = |label: &u32| moments.classes.binary_search(label).unwrap_or_default();
    let rows = Rows { moments: &moments, classes: labels.iter().map(place).collect(), read };
    let (lambda, (error, correct), weights) = if is_primal { rows.primal()? } else { rows.dual()? };
    Ok(LeaveOneOut {
        head: regression(&moments, &weights),
        lambda,
        accuracy: correct as f64 / moments.rows,
        error: error / moments.rows,
    })
}

/// Bytes that [`leave_one_out`] takes beside the rows, from above.
pub fn leave_one_out_memory(rows: usize, features: usize, classes: usize, threads: usize) -> u64 {
    let (n, d, c, threads) = (rows as u64, features as u64, classes as u64, threads as u64);
    let order = d.min(n);
    // Scatter and Gram matrix, or the rows if they are fewer; then eigenvectors and the decomposition's workspace.
    let matrices = 32 * order * order + if d > n { 12 * n * d + 24 * c * d } else { 12 * d * d };
    let blocks = threads * BLOCK as u64 * (4 * d + 24 * order + 8 * c);
    matrices + blocks + 8 * (GRID as u64 + 4) * order * (c + 1)
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

/// Sum of squared leave-one-out errors, and number of right predictions.
type Errors = (f64, usize);

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
    fn centred(&self, range: Range<usize>) -> Result<Vec<f64>, E> {
        let features = self.moments.mean.len();
        let mut values = vec![0.0; range.len() * features];
        (self.read)(range, &mut values)?;
        check_rows(&values, features)?;
        Ok(values.iter().zip(self.moments.mean.iter().cycle()).map(|(&value, mean)| f64::from(value) - mean).collect())
    }

    /// By the eigenvectors of the features.
    fn primal(&self) -> Result<(f64, Errors, Mat<f64>), E> {
        let features = self.moments.mean.len();
        let (values, vectors) = eigen(&self.moments.scatter)?;
        let sides = vectors.transpose() * self.moments.centred_means(1.0);
        let rotated = |range: Range<usize>| {
            let count = range.len();
            Ok(multiply(MatRef::from_row_major_slice(&self.centred(range)?, count, features), vectors.as_ref()))
        };
        let lambdas = grid(mean_eigenvalue(&self.moments.scatter));
        let (lambda, errors) = self.best(&lambdas, &values, &sides, rotated)?;
        let scaled = Mat::from_fn(features, sides.ncols(), |i, class| sides[(i, class)] / (values[i] + lambda));
        Ok((lambda, errors, vectors * scaled))
    }

    /// By the eigenvectors of the rows.
    fn dual(&self) -> Result<(f64, Errors, Mat<f64>), E> {
        let (count, features) = (self.classes.len(), self.moments.mean.len());
        let centred = self.centred(0..count)?;
        let centred = MatRef::from_row_major_slice(&centred, count, features);
        let (lambda, errors, factors) = self.of_kernel(&products(centred), features)?;
        Ok((lambda, errors, centred.transpose() * factors))
    }

    /// λ, errors and the factors of the rows in the head, from the products of all centred rows with each other.
    fn of_kernel(&self, kernel: &[f64], features: usize) -> Result<(f64, Errors, Mat<f64>), E> {
        let count = self.classes.len();
        // Its trace is that of the scatter.
        let trace: f64 = (0..count).map(|row| kernel[row * count + row]).sum();
        let lambdas = grid(trace / features as f64);
        let (values, vectors) = eigen(&MatRef::from_row_major_slice(kernel, count, count).to_owned())?;
        let rotated = |range: Range<usize>| {
            let row = |row: usize| (0..count).map(move |place| (row, place));
            Ok(range.flat_map(row).map(|at| vectors[at] * values[at.1].sqrt()).collect())
        };
        let targets = Mat::from_fn(count, self.moments.classes.len(), |row, class| {
            f64::from(self.classes[row] == class) - self.moments.counts[class] / self.moments.rows
        });
        let products = vectors.transpose() * targets;
        let sides = Mat::from_fn(count, products.ncols(), |i, class| products[(i, class)] * values[i].sqrt());
        let (lambda, errors) = self.best(&lambdas, &values, &sides, rotated)?;
        let scaled = Mat::from_fn(count, products.ncols(), |i, class| products[(i, class)] / (values[i] + lambda));
        Ok((lambda, errors, vectors * scaled))
    }

    /// The λ of the grid with the smallest error; the largest of equals. `values` are the eigenvalues, `sides` the products of
    /// rows and targets in the basis of the eigenvectors, and `rotated` gives rows in that basis.
    fn best(
        &self,
        lambdas: &[f64],
        values: &[f64],
        sides: &Mat<f64>,
        rotated: impl Fn(Range<usize>) -> Result<Vec<f64>, E> + Sync,
    ) -> Result<(f64, Errors), E> {
        let inverse = Mat::from_fn(values.len(), lambdas.len(), |i, lambda| (values[i] + lambdas[lambda]).recip());
        let weights: Vec<Mat<f64>> = inverse
            .col_iter()
            .map(|inverse| Mat::from_fn(values.len(), sides.ncols(), |i, class| sides[(i, class)] * inverse[i]))
            .collect();
        let of_blocks: Vec<Vec<Errors>> = blocks(self.classes.len())
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|range| {
                let rows = rotated(range.clone())?;
                let rows = MatRef::from_row_major_slice(&rows, range.len(), values.len());
                let squares = Mat::from_fn(rows.nrows(), rows.ncols(), |i, j| rows[(i, j)] * rows[(i, j)]);
                let leverages = squares * &inverse;
                let classes = &self.classes[range];
                let errors = |(weights, leverages): (&Mat<f64>, ColRef<'_, f64>)| {
                    self.errors(rows * weights, leverages, classes)
                };
                Ok(weights.iter().zip(leverages.col_iter()).map(errors).collect())
            })
            .collect::<Result<_, E>>()?;
        // In the order of the rows, so that no number of threads changes a bit.
        let sum = |lambda: usize| {
            of_blocks.iter().fold((0.0, 0), |sum, block| (sum.0 + block[lambda].0, sum.1 + block[lambda].1))
        };
        let errors: Vec<Errors> = (0..lambdas.len()).map(sum).collect();
        let best = largest(&errors.iter().map(|(error, _)| -error).collect::<Vec<_>>());
        Ok((lambdas[best], errors[best]))
    }

    /// Errors of some rows from their scores about the mean and their leverages.
    fn errors(&self, scores: Mat<f64>, leverages: ColRef<'_, f64>, classes: &[usize]) -> Errors {
        let (mut error, mut correct) = (0.0, 0);
        let mut without = vec![0.0; scores.ncols()];
        for (row, &own) in classes.iter().enumerate() {
            // A leverage of 1 means that the other rows say nothing about this one.
            let factor = (1.0 - 1.0 / self.moments.rows - leverages[row]).max(f64::EPSILON).recip();
            for (class, score) in without.iter_mut().enumerate() {
                let target = f64::from(class == own);
                let share = self.moments.counts[class] / self.moments.rows;
                let residual = (target - share - scores[(row, class)]) * factor;
                *score = target - residual;
                error += residual * residual;
            }
            correct += usize::from(largest(&without) == own);
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
        out.copy_from_slice(&multiply(block, rows.transpose()));
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
        let (_, (error, correct), _) =
            Rows { moments: &moments, classes: places, read }.of_kernel(&self.products, self.features)?;
        Ok((error / rows, correct as f64 / rows))
    }
}

/// The product of two matrices, row by row.
fn multiply(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Vec<f64> {
    let mut product = vec![0.0; left.nrows() * right.ncols()];
    let out = MatMut::from_row_major_slice_mut(&mut product, left.nrows(), right.ncols());
    matmul(out, Accum::Replace, left, right, 1.0, Par::Seq);
    product
}
