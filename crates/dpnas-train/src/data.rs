//! Rows with labels, borrowed from wherever they lie.

use crate::{Element, Split, TrainError};

/// Embedded rows and their labels; the rows may be memory-mapped.
///
/// # Shapes
/// `rows` is `[n, features]`, row-major; `labels` is `[n]`.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a, E = f32> {
    /// The values of all rows, one row after the other.
    pub rows: &'a [E],
    /// The class of each row.
    pub labels: &'a [u32],
}

impl<'a, E: Element> Labelled<'a, E> {
    /// Rows of `features` values, one for each label.
    ///
    /// # Errors
    /// [`TrainError::NoFeatures`], or [`TrainError::LengthMismatch`] if there are not `features` values a label.
    pub fn new(rows: &'a [E], labels: &'a [u32], features: usize) -> Result<Self, TrainError> {
        let set = Self { rows, labels };
        set.check_lengths(features)?;
        Ok(set)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    pub(crate) fn check_lengths(&self, features: usize) -> Result<(), TrainError> {
        if features == 0 {
            return Err(TrainError::NoFeatures);
        }
        if self.labels.len().checked_mul(features) != Some(self.rows.len()) {
            let (values, labels) = (self.rows.len(), self.labels.len());
            return Err(TrainError::LengthMismatch { values, labels, features });
        }
        Ok(())
    }

    pub(crate) fn check(&self, split: Split, features: usize, classes: u32) -> Result<(), TrainError> {
        self.check_lengths(features)?;
        check_labels(self.labels, split, classes)
    }
}

pub(crate) fn check_labels(labels: &[u32], split: Split, classes: u32) -> Result<(), TrainError> {
    if labels.is_empty() {
        return Err(TrainError::EmptySet { split });
    }
    match labels.iter().position(|&label| label >= classes) {
        Some(row) => Err(TrainError::LabelOutOfRange { split, row, label: labels[row], classes }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_do_not_belong_together_are_an_error() {
        let rows = [0.0f32; 6];
        assert_eq!(Labelled::new(&rows, &[0, 1], 3).unwrap().len(), 2);
        assert_eq!(Labelled::new(&rows, &[0, 1], 0).unwrap_err(), TrainError::NoFeatures);
        let error = Labelled::new(&rows, &[0, 1], 4).unwrap_err();
        assert_eq!(error, TrainError::LengthMismatch { values: 6, labels: 2, features: 4 });
        assert_eq!(error.to_string(), "6 values are not 2 rows (one a label) of 4 features each");
        assert!(Labelled::new(&rows, &[0, 1], usize::MAX).is_err());
    }
}
