//! Writing and reading numbers as little-endian bytes.

use super::StoreError;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

/// Bytes of the write buffer.
const BUFFER: usize = 256 * 1024;

/// A file of a header and rows, written block by block.
pub(crate) struct RowFile {
    out: BufWriter<File>,
}

impl RowFile {
    /// Creates a file with its header.
    pub(crate) fn create(path: &Path, head: &[u8]) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(BUFFER, File::create_new(path)?);
        out.write_all(head)?;
        Ok(Self { out })
    }

    /// Appends labels as 64-bit integers.
    pub(crate) fn push_labels(&mut self, labels: &[u32]) -> io::Result<()> {
        labels.iter().try_for_each(|&label| self.out.write_all(&i64::from(label).to_le_bytes()))
    }

    /// Appends rows.
    pub(crate) fn push(&mut self, rows: &[f32]) -> io::Result<()> {
        write_floats(&mut self.out, rows)
    }

    /// Flushes and syncs the file.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// Writes numbers as little-endian bytes.
pub(crate) fn write_floats(out: &mut impl Write, values: &[f32]) -> io::Result<()> {
    let mut block = [0; 4096];
    for values in values.chunks(block.len() / 4) {
        let bytes = &mut block[..4 * values.len()];
        for (to, value) in bytes.chunks_exact_mut(4).zip(values) {
            to.copy_from_slice(&value.to_le_bytes());
        }
        out.write_all(bytes)?;
    }
    Ok(())
}

/// An empty vector with room for `count` numbers. `path` is for the error.
pub(crate) fn room<T>(path: &Path, count: usize) -> Result<Vec<T>, StoreError> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| {
        let needed = (count as u64).saturating_mul(size_of::<T>() as u64);
        StoreError::OutOfMemory { path: path.to_owned(), needed }
    })?;
    Ok(values)
}

/// Appends `count` floats from little-endian bytes.
pub(crate) fn read_floats(from: &mut impl Read, count: usize, values: &mut Vec<f32>) -> io::Result<()> {
    read_words(from, count, |bytes| values.push(f32::from_le_bytes(bytes)))
}

/// Appends `count` integers from little-endian bytes.
pub(crate) fn read_integers(from: &mut impl Read, count: usize, values: &mut Vec<i64>) -> io::Result<()> {
    read_words(from, count, |bytes| values.push(i64::from_le_bytes(bytes)))
}

fn read_words<const SIZE: usize>(
    from: &mut impl Read,
    count: usize,
    mut each: impl FnMut([u8; SIZE]),
) -> io::Result<()> {
    let mut block = [0; 4096];
    let mut left = count;
    while left > 0 {
        let bytes = &mut block[..left.min(4096 / SIZE) * SIZE];
        from.read_exact(bytes)?;
        for word in bytes.chunks_exact(SIZE) {
            let mut copy = [0; SIZE];
            copy.copy_from_slice(word);
            each(copy);
        }
        left -= bytes.len() / SIZE;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_go_out_little_endian_and_come_back(bits in prop::collection::vec(any::<u32>(), 0..3000)) {
            let values: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
            let mut bytes = Vec::new();
            write_floats(&mut bytes, &values).unwrap();
            prop_assert!(bytes.iter().copied().eq(bits.iter().flat_map(|bits| bits.to_le_bytes())));
            let mut back = Vec::new();
            read_floats(&mut bytes.as_slice(), values.len(), &mut back).unwrap();
            prop_assert!(back.iter().map(|value| value.to_bits()).eq(bits));
            prop_assert!(read_floats(&mut bytes.as_slice(), values.len() + 1, &mut back).is_err());
        }
    }

    #[test]
    fn a_vector_that_fits_no_memory_is_an_error() {
        let error = room::<f32>(Path::new("/e/features.npy"), usize::MAX / 8).unwrap_err();
        assert!(matches!(error, StoreError::OutOfMemory { .. }), "{error}");
    }
}
