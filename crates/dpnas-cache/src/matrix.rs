//! The matrix that a cache hands out.

use crate::map::Map;
use std::fmt;
use std::sync::Arc;

/// A read-only, row-major matrix of `f32`, memory-mapped or in memory.
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
    Mapped { map: Map, data_start: usize },
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
            // Whole numbers at an aligned place: `Matrix::mapped` has made sure of it.
            Storage::Mapped { map, data_start } => bytemuck::cast_slice(&map.bytes()[*data_start..]),
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

    /// A matrix over the little-endian data of a map, which starts at `data_start` and ends with the map.
    pub(crate) fn mapped(map: Map, data_start: usize, rows: usize, columns: usize) -> Self {
        let data = &map.bytes()[data_start..];
        let in_place = cfg!(target_endian = "little") && bytemuck::try_cast_slice::<u8, f32>(data).is_ok();
        let storage =
            if in_place { Storage::Mapped { map, data_start } } else { Storage::Owned(from_little_endian(data)) };
        Self { rows, columns, storage: Arc::new(storage) }
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

    proptest! {
        #[test]
        fn values_are_read_as_little_endian(bits: Vec<u32>) {
            let data: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
            prop_assert!(from_little_endian(&data).into_iter().map(f32::to_bits).eq(bits));
        }
    }
}
