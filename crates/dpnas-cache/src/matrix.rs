//! A matrix of the cache.

use crate::dtype::{DType, Stored, Values};
use crate::format::Layout;
use crate::map::Map;
use crate::place::read_exact_at;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// Values widened at a time.
const PIECE: usize = 4096;

/// A read-only, row-major matrix, in a file or in memory.
///
/// Clones share the values. A matrix stays valid after its entry is evicted, replaced or cleared, or the cache is
/// dropped. An evicted file frees its space when its last matrix is dropped.
#[derive(Clone)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    dtype: DType,
    storage: Arc<Storage>,
}

enum Storage {
    /// The map takes memory only for accessed pages.
    Mapped {
        map: Map,
        data_start: usize,
        file: File,
    },
    Owned(Values),
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

    /// The number type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// All values, row by row; `None` if they have another [number type](Self::dtype).
    ///
    /// # Shapes
    /// `rows × columns`.
    pub fn values<E: Stored>(&self) -> Option<&[E]> {
        // The cast succeeds: `Matrix::in_file` maps only aligned, whole values.
        if E::DTYPE == self.dtype { E::cast(self.bytes()) } else { None }
    }

    fn bytes(&self) -> &[u8] {
        match &*self.storage {
            Storage::Mapped { map, data_start, .. } => map.bytes().get(*data_start..).unwrap_or_default(),
            Storage::Owned(values) => values.bytes(),
        }
    }

    /// Copies the rows at `indices`, in that order. A matrix of bf16 can be read as `f32`, which is exact.
    ///
    /// Rows in a file are read without further memory. In contrast, pages accessed through [`values`](Self::values)
    /// count as memory of the process. Any number of threads may read.
    ///
    /// # Shapes
    /// `out` is `[indices.len(), columns]`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if an index is not less than [`rows`](Self::rows), `out` has another length or a
    /// matrix of `f32` is read as `bf16`. The system's error if the file cannot be read.
    pub fn read_rows<E: Stored>(&self, indices: &[usize], out: &mut [E]) -> io::Result<()> {
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
        // Read consecutive rows at once.
        for run in indices.chunk_by(|a, b| a + 1 == *b) {
            let (rows, rest) = out.split_at_mut(run.len() * self.columns);
            let first = run.first().map_or(0, |row| row * self.columns);
            if E::DTYPE == self.dtype {
                self.copy(first, rows)?;
            } else if self.dtype == DType::Bf16 {
                self.widen(first, rows)?;
            } else {
                return wrong(format!("a matrix of {} cannot be read as {}", self.dtype, E::DTYPE));
            }
            out = rest;
        }
        Ok(())
    }

    /// Copies consecutive values of type `E`, beginning with value `first`.
    fn copy<E: Stored>(&self, first: usize, out: &mut [E]) -> io::Result<()> {
        match &*self.storage {
            Storage::Owned(values) => {
                let out: &mut [u8] = bytemuck::cast_slice_mut(out);
                let from = values.bytes().get(size_of::<E>() * first..).and_then(|from| from.get(..out.len()));
                out.copy_from_slice(from.ok_or(ErrorKind::UnexpectedEof)?);
            }
            Storage::Mapped { file, data_start, .. } => {
                let offset = *data_start as u64 + E::DTYPE.bytes() * first as u64;
                // The bytes are in native order: only little-endian machines map, see `in_file`.
                read_exact_at(file, bytemuck::cast_slice_mut(out), offset)?;
            }
        }
        Ok(())
    }

    /// Converts consecutive values of bf16, beginning with value `first`.
    fn widen<E: Stored>(&self, first: usize, out: &mut [E]) -> io::Result<()> {
        let mut piece = vec![0_u16; PIECE.min(out.len())];
        for (index, out) in out.chunks_mut(PIECE).enumerate() {
            let (piece, _) = piece.split_at_mut(out.len());
            self.copy(first + index * PIECE, piece)?;
            for (out, &value) in out.iter_mut().zip(&*piece) {
                *out = E::from_bf16(value);
            }
        }
        Ok(())
    }

    /// A matrix of the little-endian data in an entry's file.
    pub(crate) fn in_file(file: File, layout: Layout) -> io::Result<Self> {
        let Layout { data_start, rows, columns, dtype } = layout;
        let map = Map::of(&file)?;
        let data = map.bytes().get(data_start..).ok_or(ErrorKind::UnexpectedEof)?;
        let storage = if cfg!(target_endian = "little") && dtype.fits(data) {
            Storage::Mapped { map, data_start, file }
        } else {
            Storage::Owned(Values::from_little_endian(dtype, data))
        };
        Ok(Self { rows, columns, dtype, storage: Arc::new(storage) })
    }

    /// A matrix of values in memory.
    pub(crate) fn owned(values: Values, columns: usize) -> Self {
        let (rows, dtype) = (values.len() / columns, values.dtype());
        Self { rows, columns, dtype, storage: Arc::new(Storage::Owned(values)) }
    }
}

/// Matrices are equal if shape, number type and bits are equal.
impl PartialEq for Matrix {
    fn eq(&self, other: &Self) -> bool {
        let shape = |matrix: &Self| (matrix.rows, matrix.columns, matrix.dtype);
        shape(self) == shape(other) && self.bytes() == other.bytes()
    }
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matrix")
            .field("rows", &self.rows)
            .field("columns", &self.columns)
            .field("dtype", &self.dtype)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_memory_are_copied_and_wrong_requests_are_refused() {
        let matrix = Matrix::owned(Values::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 2);
        let mut out = [0.0_f32; 6];
        matrix.read_rows(&[2, 0, 1], &mut out).unwrap();
        assert_eq!(out, [5.0, 6.0, 1.0, 2.0, 3.0, 4.0]);
        let error = matrix.read_rows(&[0, 3], &mut out[..4]).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::InvalidInput, "row 3 of a matrix of 3 rows")
        );
        assert_eq!(matrix.read_rows(&[0], &mut out).unwrap_err().kind(), ErrorKind::InvalidInput);
        let error = matrix.read_rows(&[0], &mut [0_u16; 2]).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::InvalidInput, "a matrix of f32 cannot be read as bf16")
        );
        assert_eq!(matrix.values::<u16>(), None);
    }
}
