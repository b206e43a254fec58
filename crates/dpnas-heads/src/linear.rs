//! A solved head.

use crate::HeadError;
use crate::error::check_rows;
use faer::Mat;
use rayon::prelude::*;

/// A linear classifier: the class with the largest `weights · row + bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearHead {
    pub(crate) features: usize,
    pub(crate) classes: Vec<u32>,
    /// A row of weights for each class.
    pub(crate) weights: Vec<f64>,
    pub(crate) biases: Vec<f64>,
}

/// Independent sums of a product of rows, which vectors compute.
const LANES: usize = 16;

impl LinearHead {
    /// A head with a row of weights and a bias for each class.
    ///
    /// # Errors
    /// [`HeadError::NoFeatures`], [`HeadError::Empty`] without classes, or [`HeadError::Rows`] if the weights are not a row for
    /// each class, [`HeadError::Labels`] if the biases are not one, or [`HeadError::Format`] if a number is not finite.
    pub fn new(classes: Vec<u32>, weights: Vec<f64>, biases: Vec<f64>) -> Result<Self, HeadError> {
        if classes.is_empty() {
            return Err(HeadError::Empty);
        }
        let features = weights.len() / classes.len();
        match () {
            () if features == 0 => Err(HeadError::NoFeatures),
            () if features * classes.len() != weights.len() => Err(HeadError::Rows { values: weights.len(), features }),
            () if weights.iter().chain(&biases).any(|weight| !weight.is_finite()) => {
                Err(HeadError::format("a weight is not finite"))
            }
            () if biases.len() != classes.len() => Err(HeadError::Labels { labels: biases.len(), rows: classes.len() }),
            () => Ok(Self { features, classes, weights, biases }),
        }
    }

    /// A head with a column of weights for each class.
    pub(crate) fn of_columns(classes: Vec<u32>, weights: &Mat<f64>, biases: Vec<f64>) -> Self {
        let rows = weights.col_iter().flat_map(|column| column.iter().copied().collect::<Vec<_>>()).collect();
        Self { features: weights.nrows(), classes, weights: rows, biases }
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The classes, in ascending order.
    pub fn classes(&self) -> &[u32] {
        &self.classes
    }

    /// The weights, a row of [`features`](Self::features) for each class.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The bias of each class.
    pub fn biases(&self) -> &[f64] {
        &self.biases
    }

    /// The scores of each row, one for each class.
    ///
    /// # Errors
    /// If the values are not whole, finite rows.
    pub fn scores(&self, values: &[f32]) -> Result<Vec<f64>, HeadError> {
        check_rows(values, self.features)?;
        let mut scores = vec![0.0; values.len() / self.features * self.classes.len()];
        let rows = values.par_chunks_exact(self.features).zip(scores.par_chunks_exact_mut(self.classes.len()));
        rows.for_each(|(row, scores)| {
            let weights = self.weights.chunks_exact(self.features);
            for ((score, weights), bias) in scores.iter_mut().zip(weights).zip(&self.biases) {
                *score = bias + product(weights, row);
            }
        });
        Ok(scores)
    }

    /// The class of each row; the first of equal scores.
    ///
    /// # Errors
    /// If the values are not whole, finite rows.
    pub fn predict(&self, values: &[f32]) -> Result<Vec<u32>, HeadError> {
        let scores = self.scores(values)?;
        Ok(scores.chunks_exact(self.classes.len()).map(|scores| self.classes[largest(scores)]).collect())
    }

    /// Number of rows whose class is predicted.
    ///
    /// # Errors
    /// If the values are not whole, finite rows with a label each.
    pub fn correct(&self, values: &[f32], labels: &[u32]) -> Result<usize, HeadError> {
        let predicted = self.predict(values)?;
        if predicted.len() != labels.len() {
            return Err(HeadError::Labels { labels: labels.len(), rows: predicted.len() });
        }
        Ok(predicted.iter().zip(labels).filter(|(a, b)| a == b).count())
    }
}

/// Place of the largest score; the first of equals.
pub(crate) fn largest(scores: &[f64]) -> usize {
    let better = |best: usize, place: usize| if scores[place] > scores[best] { place } else { best };
    (1..scores.len()).fold(0, better)
}

/// The scalar product, in an order that depends on the length alone.
fn product(weights: &[f64], row: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    let (weights, last_weights) = weights.as_chunks::<LANES>();
    let (row, last_row) = row.as_chunks::<LANES>();
    for (weights, row) in weights.iter().zip(row) {
        for ((sum, weight), &value) in sums.iter_mut().zip(weights).zip(row) {
            *sum += weight * f64::from(value);
        }
    }
    let rest: f64 = last_weights.iter().zip(last_row).map(|(weight, &value)| weight * f64::from(value)).sum();
    sums.iter().sum::<f64>() + rest
}
