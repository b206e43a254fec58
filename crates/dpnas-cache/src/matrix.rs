//! The matrix that a cache hands out.

use crate::format::Layout;
use crate::map::Map;
use crate::place::read_exact_at;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// A read-only, row-major matrix of `f32`, in a file or in memory.
///
/// Clones share the values. A matrix stays valid when its entry is evicted, replaced or cleared, and when the cache is
/// dropped; an evicted file's space is freed once its last matrix is dropped.
#[derive(Clone)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    storage: Arc<Storage>,
}

enum Storage {
    /// The map costs memory where it is touched, and no more.
    Mapped {
        map: Map,
        data_start: usize,
        file: File,
    },
    Owned(Vec<f32>),
}

impl Matrix {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All values, row after row.
    ///
    /// # Shapes
    /// `rows × columns`.
    pub fn values(&self) -> &[f32] {
        match &*self.storage {
            // Whole numbers at an aligned place: `Matrix::in_file` has made sure of it.
            Storage::Mapped { map, data_start, .. } => bytemuck::cast_slice(&map.bytes()[*data_start..]),
            Storage::Owned(values) => values,
        }
    }

    /// The values of row `index`.
    ///
    /// # Panics
    /// If `index` is not less than [`rows`](Self::rows), as indexing a slice does.
    pub fn row(&self, index: usize) -> &[f32] {
        assert!(index < self.rows, "row {index} of a matrix of {} rows", self.rows);
        &self.values()[index * self.columns..(index + 1) * self.columns]
    }

    /// Copies the rows at `indices`, in that order, one behind the other.
    ///
    /// Rows that lie in a file are read from it, which takes no memory beside `out`, while the pages that
    /// [`values`](Self::values) and [`row`](Self::row) touch stay with the process. Any number of threads may read.
    ///
    /// # Shapes
    /// `out` is `[indices.len(), columns]`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if an index is not less than [`rows`](Self::rows) or `out` has another length, or
    /// whatever keeps the file from being read.
    pub fn read_rows(&self, indices: &[usize], out: &mut [f32]) -> io::Result<()> {
        let wrong = |text: String| Err(io::Error::new(ErrorKind::InvalidInput, text));
        if let Some(index) = indices.iter().find(|&&index| index >= self.rows) {
            return wrong(format!("row {index} of a matrix of {} rows", self.rows));
        }
        if indices.len().checked_mul(self.columns) != Some(out.len()) {
            return wrong(format!(
                "{} rows of {} columns do not fill {} values",
                indices.len(),
                self.columns,
                out.len()
            ));
        }
        let mut out = out;
        // Rows that follow one another are read at once.
        for run in indices.chunk_by(|a, b| a + 1 == *b) {
            let (rows, rest) = out.split_at_mut(run.len() * self.columns);
            self.read_run(run[0], rows)?;
            out = rest;
        }
        Ok(())
    }

    /// Copies consecutive rows from `first` on.
    fn read_run(&self, first: usize, out: &mut [f32]) -> io::Result<()> {
        match &*self.storage {
            Storage::Owned(values) => out.copy_from_slice(&values[first * self.columns..][..out.len()]),
            Storage::Mapped { file, data_start, .. } => {
                let offset = *data_start as u64 + 4 * (first as u64 * self.columns as u64);
                // Only little-endian machines map: see `in_file`.
                read_exact_at(file, bytemuck::cast_slice_mut(out), offset)?;
            }
        }
        Ok(())
    }

    /// A matrix over the little-endian data of an entry's file.
    pub(crate) fn in_file(file: File, layout: Layout) -> io::Result<Self> {
        let Layout { data_start, rows, columns } = layout;
        let map = Map::of(&file)?;
        let data = &map.bytes()[data_start..];
        let in_place = cfg!(target_endian = "little") && bytemuck::try_cast_slice::<u8, f32>(data).is_ok();
        let storage =
            if in_place { Storage::Mapped { map, data_start, file } } else { Storage::Owned(from_little_endian(data)) };
        Ok(Self { rows, columns, storage: Arc::new(storage) })
    }

    /// A matrix over values in memory.
    pub(crate) fn owned(values: Vec<f32>, columns: usize) -> Self {
        Self { rows: values.len() / columns, columns, storage: Arc::new(Storage::Owned(values)) }
    }
}

fn from_little_endian(data: &[u8]) -> Vec<f32> {
    data.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect()
}

/// Equal shape and equal values, compared as numbers: a matrix with a NaN differs from itself.
impl PartialEq for Matrix {
    fn eq(&self, other: &Self) -> bool {
        (self.rows, self.columns) == (other.rows, other.columns) && self.values() == other.values()
    }
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matrix").field("rows", &self.rows).field("columns", &self.columns).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    #[should_panic(expected = "row 2 of a matrix of 2 rows")]
    fn a_row_past_the_end_panics_with_its_number() {
        Matrix::owned(vec![1.0, 2.0], 1).row(2);
    }

    #[test]
    fn rows_in_memory_are_copied_and_wrong_requests_are_refused() {
        let matrix = Matrix::owned(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2);
        let mut out = [0.0; 6];
        matrix.read_rows(&[2, 0, 1], &mut out).unwrap();
        assert_eq!(out, [5.0, 6.0, 1.0, 2.0, 3.0, 4.0]);
        let error = matrix.read_rows(&[0, 3], &mut out[..4]).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::InvalidInput, "row 3 of a matrix of 3 rows")
        );
        assert_eq!(matrix.read_rows(&[0], &mut out).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    proptest! {
        #[test]
        fn values_are_read_as_little_endian(bits: Vec<u32>) {
            let data: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
            prop_assert!(from_little_endian(&data).into_iter().map(f32::to_bits).eq(bits));
        }
    }
}
