//! The embedding, stored as a search stores it.

use dpnas_kernels::Precision;
use half::bf16;
use half::slice::HalfFloatSliceExt;

/// Rows in memory, row-major `[n, features]`: those of a bf16 encoder are kept as bf16.
#[derive(Debug)]
pub(crate) enum Rows {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
}

impl Rows {
    /// Room for so many numbers.
    pub(crate) fn with_capacity(precision: Precision, numbers: usize) -> Self {
        match precision {
            Precision::F32 => Self::F32(Vec::with_capacity(numbers)),
            Precision::Bf16 => Self::Bf16(Vec::with_capacity(numbers)),
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Self::F32(rows) => rows.clear(),
            Self::Bf16(rows) => rows.clear(),
        }
    }

    /// Adds rows as the encoder gives them.
    pub(crate) fn extend(&mut self, chunk: &[f32]) {
        match self {
            Self::F32(rows) => rows.extend_from_slice(chunk),
            Self::Bf16(rows) => {
                let start = rows.len();
                rows.resize(start + chunk.len(), bf16::ZERO);
                rows[start..].convert_from_f32_slice(chunk);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_the_numbers_of_every_chunk() {
        for precision in [Precision::F32, Precision::Bf16] {
            let mut rows = Rows::with_capacity(precision, 3);
            rows.extend(&[9.0]);
            rows.clear();
            rows.extend(&[0.5, 1.0]);
            rows.extend(&[-2.0]);
            match (precision, rows) {
                (Precision::F32, Rows::F32(rows)) => assert_eq!(rows, [0.5, 1.0, -2.0]),
                (Precision::Bf16, Rows::Bf16(rows)) => assert_eq!(rows, [0.5, 1.0, -2.0].map(bf16::from_f32)),
                (_, other) => panic!("{other:?}"),
            }
        }
    }
}
