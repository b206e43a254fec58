//! Rows that need not lie in memory, and the two places that a fit takes rows from.

use crate::lanes::Rows;
use crate::{Element, Labelled, Split, TrainError};
use std::io;
use std::sync::RwLockReadGuard;

/// A matrix of rows that are read when they are needed, for example from a file.
pub trait ReadRows<E = f32>: Sync {
    /// Number of rows.
    fn rows(&self) -> usize;

    /// Values of each row.
    fn columns(&self) -> usize;

    /// Reads the rows at `indices`, in that order, one behind the other.
    ///
    /// # Shapes
    /// `out` is `[indices.len(), columns]`, row-major.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read; the fit ends with [`TrainError::Unread`].
    fn read_rows(&self, indices: &[usize], out: &mut [E]) -> io::Result<()>;
}

/// Rows that are read when they are needed, and their labels.
#[derive(Clone, Copy)]
pub struct StoredRows<'a, E = f32> {
    /// Where the rows are read from.
    pub rows: &'a dyn ReadRows<E>,
    /// The class of each row.
    pub labels: &'a [u32],
}

/// A set of a fit: labels, and rows in memory or stored.
#[derive(Clone, Copy)]
pub(crate) struct Set<'a, E> {
    pub values: Values<'a, E>,
    pub labels: &'a [u32],
}

#[derive(Clone, Copy)]
pub(crate) enum Values<'a, E> {
    Memory(&'a [E]),
    Stored(&'a dyn ReadRows<E>),
}

impl<'a, E> From<Labelled<'a, E>> for Set<'a, E> {
    fn from(set: Labelled<'a, E>) -> Self {
        Self { values: Values::Memory(set.rows), labels: set.labels }
    }
}

impl<'a, E> From<StoredRows<'a, E>> for Set<'a, E> {
    fn from(set: StoredRows<'a, E>) -> Self {
        Self { values: Values::Stored(set.rows), labels: set.labels }
    }
}

impl<E: Element> Set<'_, E> {
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn check(&self, split: Split, features: usize, classes: u32) -> Result<(), TrainError> {
        let labels = self.labels;
        match self.values {
            Values::Memory(rows) => Labelled { rows, labels }.check(split, features, classes),
            Values::Stored(rows) if (rows.rows(), rows.columns()) != (labels.len(), features) => {
                let values = rows.rows().saturating_mul(rows.columns());
                Err(TrainError::LengthMismatch { values, labels: labels.len(), features })
            }
            Values::Stored(_) => crate::data::check_labels(labels, split, classes),
        }
    }
}

/// The rows of one batch, for as long as they are worked on.
pub(crate) struct Batch<'s, E> {
    place: Place<'s, E>,
    offsets: Vec<usize>,
}

enum Place<'s, E> {
    /// Anywhere in one slice.
    Slice(&'s [E]),
    /// One behind the other in a buffer.
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
