//! Streaming linear discriminant analysis as it was published.

use crate::{LearnError, Learner};
use dpnas_heads::{HeadError, LinearHead, shrunk_discriminant};
use std::collections::BTreeMap;

/// Deep streaming LDA as published, row by row: a running covariance about the running means of the classes.
///
/// The mean of a class is 0 until its first row has come, so the first row of each class enters the covariance as it is. The
/// result therefore depends on the order of the rows; [`ClosedFormHead::Lda`](crate::ClosedFormHead::Lda) is the same
/// classifier without that.
///
/// # Source
/// Hayes and Kanan, 2020, equations 2 and 3, with a shrinkage of 10⁻⁴ to the identity.
#[derive(Clone, Debug)]
pub struct PublishedSlda {
    features: usize,
    updates: f64,
    /// Means and numbers of rows.
    classes: BTreeMap<u32, (Vec<f64>, f64)>,
    /// The lower triangle, row by row.
    covariance: Vec<f64>,
    head: Option<LinearHead>,
}

impl PublishedSlda {
    /// The published shrinkage.
    pub const SHRINKAGE: f64 = 1e-4;

    /// A learner of rows with `features` values.
    pub fn new(features: usize) -> Self {
        let covariance = vec![0.0; features * (features + 1) / 2];
        Self { features, updates: 0.0, classes: BTreeMap::new(), covariance, head: None }
    }
}

impl Learner for PublishedSlda {
    fn learn(&mut self, values: &[f32], labels: &[u32]) -> Result<(), LearnError> {
        let rows = dpnas_heads::check_rows(values, self.features)?;
        if rows != labels.len() {
            return Err(HeadError::Labels { labels: labels.len(), rows }.into());
        }
        for (row, &label) in values.chunks_exact(self.features).zip(labels) {
            let (mean, count) = self.classes.entry(label).or_insert_with(|| (vec![0.0; self.features], 0.0));
            let difference: Vec<f64> = row.iter().zip(&*mean).map(|(&value, mean)| f64::from(value) - mean).collect();
            let (old, new) = (self.updates / (self.updates + 1.0), self.updates / (self.updates + 1.0).powi(2));
            let mut rest = &mut self.covariance[..];
            for (i, a) in difference.iter().enumerate() {
                let (entries, after) = rest.split_at_mut(i + 1);
                entries.iter_mut().zip(&difference).for_each(|(entry, b)| *entry = old * *entry + new * a * b);
                rest = after;
            }
            *count += 1.0;
            mean.iter_mut().zip(&difference).for_each(|(mean, difference)| *mean += difference / *count);
            self.updates += 1.0;
        }
        Ok(())
    }

    fn end_step(&mut self) -> Result<(), LearnError> {
        let means: BTreeMap<u32, &[f64]> = self.classes.iter().map(|(&class, (mean, _))| (class, &mean[..])).collect();
        self.head = Some(shrunk_discriminant(&means, &self.covariance, Self::SHRINKAGE)?);
        Ok(())
    }

    fn predict(&self, values: &[f32]) -> Result<Vec<u32>, LearnError> {
        Ok(self.head.as_ref().ok_or(LearnError::Untrained)?.predict(values)?)
    }

    fn state_bytes(&self) -> u64 {
        8 * (self.covariance.len() + self.classes.len() * (self.features + 1)) as u64
    }

    fn head(&self) -> Option<LinearHead> {
        self.head.clone()
    }
}
