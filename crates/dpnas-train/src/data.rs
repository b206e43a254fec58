//! Rows with labels, in memory or read when they are needed.

use crate::lanes::Rows;
use crate::{Element, Split, TrainError};
use std::fmt;
use std::io;
use std::sync::RwLockReadGuard;

/// A matrix whose rows are read when they are needed, for example from a file.
pub trait ReadRows<E = f32>: Sync {
    /// Number of rows.
    fn rows(&self) -> usize;

    /// Values of each row.
    fn columns(&self) -> usize;

    /// Reads the rows at `indices`, in that order.
    ///
    /// # Shapes
    /// `out` is `[indices.len(), columns]`, row-major.
    ///
    /// # Errors
    /// If a row cannot be read; the fit ends with [`TrainError::Unread`].
    fn read_rows(&self, indices: &[usize], out: &mut [E]) -> io::Result<()>;
}

/// Rows and their labels.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a, E = f32> {
    pub(crate) values: Values<'a, E>,
    pub(crate) labels: &'a [u32],
    pub(crate) features: usize,
}

/// Source of the rows.
#[derive(Clone, Copy)]
pub(crate) enum Values<'a, E> {
    /// `[n, features]`, row-major.
    Memory(&'a [E]),
    Stored(&'a dyn ReadRows<E>),
}

impl<E> fmt::Debug for Values<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(values) => write!(f, "{} values in memory", values.len()),
            Self::Stored(rows) => write!(f, "{} × {} stored values", rows.rows(), rows.columns()),
        }
    }
}

impl<'a, E: Element> Labelled<'a, E> {
    /// Rows in memory, with a label each.
    ///
    /// # Shapes
    /// `rows` is `[n, features]`, row-major; `labels` is `[n]`.
    ///
    /// # Errors
    /// [`TrainError::NoFeatures`], or [`TrainError::LengthMismatch`].
    pub fn new(rows: &'a [E], labels: &'a [u32], features: usize) -> Result<Self, TrainError> {
        let set = Self { values: Values::Memory(rows), labels, features };
        set.check_length(features, labels.len().checked_mul(features) == Some(rows.len()))
    }

    /// Rows that are read when they are needed, with a label each.
    ///
    /// # Errors
    /// [`TrainError::NoFeatures`], or [`TrainError::LengthMismatch`].
    pub fn stored(rows: &'a dyn ReadRows<E>, labels: &'a [u32]) -> Result<Self, TrainError> {
        let set = Self { values: Values::Stored(rows), labels, features: rows.columns() };
        set.check_length(rows.columns(), rows.rows() == labels.len())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of features of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    fn check_length(self, features: usize, matches: bool) -> Result<Self, TrainError> {
        if features == 0 {
            return Err(TrainError::NoFeatures);
        }
        if matches {
            return Ok(self);
        }
        let values = match self.values {
            Values::Memory(rows) => rows.len(),
            Values::Stored(rows) => rows.rows().saturating_mul(rows.columns()),
        };
        Err(TrainError::LengthMismatch { values, labels: self.len(), features })
    }

    /// Checks a set of a fit on rows of `features` values.
    pub(crate) fn check(self, split: Split, features: usize, classes: u32) -> Result<(), TrainError> {
        self.check_length(features, self.features == features)?;
        if self.is_empty() {
            return Err(TrainError::EmptySet { split });
        }
        match self.labels.iter().position(|&label| label >= classes) {
            Some(row) => Err(TrainError::LabelOutOfRange { split, row, label: self.labels[row], classes }),
            None => Ok(()),
        }
    }
}

/// The rows of one batch.
pub(crate) struct Batch<'s, E> {
    place: Place<'s, E>,
    offsets: Vec<usize>,
}

enum Place<'s, E> {
    /// Anywhere in a slice.
    Slice(&'s [E]),
    /// Contiguous in a buffer.
    Buffer(RwLockReadGuard<'s, Vec<E>>),
}

impl<'s, E> Batch<'s, E> {
    pub(crate) fn of_slice(rows: &'s [E], indices: &[usize], features: usize) -> Self {
        Self { place: Place::Slice(rows), offsets: indices.iter().map(|row| row * features).collect() }
    }

    pub(crate) fn of_buffer(rows: RwLockReadGuard<'s, Vec<E>>, len: usize, features: usize) -> Self {
        Self { place: Place::Buffer(rows), offsets: (0..len).map(|row| row * features).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.len()
    }

    pub(crate) fn rows(&self) -> Rows<'_, E> {
        let data: &[E] = match &self.place {
            Place::Slice(rows) => rows,
            Place::Buffer(rows) => rows,
        };
        Rows { data, offsets: &self.offsets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_contradict_each_other_are_an_error() {
        let rows = [0.0f32; 6];
        assert_eq!(Labelled::new(&rows, &[0, 1], 3).unwrap().len(), 2);
        assert_eq!(Labelled::new(&rows, &[0, 1], 0).unwrap_err(), TrainError::NoFeatures);
        let error = Labelled::new(&rows, &[0, 1], 4).unwrap_err();
        assert_eq!(error, TrainError::LengthMismatch { values: 6, labels: 2, features: 4 });
        assert_eq!(error.to_string(), "6 values are not 2 rows (one for each label) of 4 features");
        assert!(Labelled::new(&rows, &[0, 1], usize::MAX).is_err());
    }
}
