//! The layout `npy`, one file of features and one of labels per split; and `.npy` headers.

use super::row_file::{RowFile, read_floats, read_integers, room};
use super::{SplitName, StoreError};
use npyz::{DType, WriteOptions, WriterBuilder};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Types of the stored numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numbers {
    /// Features.
    Float32,
    /// Labels.
    Int64,
}

impl Numbers {
    fn type_text(self) -> &'static str {
        match self {
            Self::Float32 => "<f4",
            Self::Int64 => "<i8",
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Self::Float32 => 4,
            Self::Int64 => 8,
        }
    }
}

/// The header of a `.npy` file.
pub(crate) fn header(numbers: Numbers, shape: &[usize]) -> io::Result<Vec<u8>> {
    let scalar = numbers.type_text().parse().map_err(io::Error::other)?;
    let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
    WriteOptions::new_header_only()
        .dtype(DType::new_scalar(scalar))
        .shape(&shape)
        .writer(Vec::new())
        .write_header_only()
}

/// Writes one split.
pub(crate) struct NpyWriter {
    features: RowFile,
}

impl NpyWriter {
    pub(crate) fn create(root: &Path, split: SplitName, labels: &[u32], features: usize) -> io::Result<Self> {
        fs::create_dir(root.join(split.to_string()))?;
        let [features_path, labels_path] = paths(root, split);
        let mut file = RowFile::create(&labels_path, &header(Numbers::Int64, &[labels.len()])?)?;
        file.push_labels(labels)?;
        file.finish()?;
        let header = header(Numbers::Float32, &[labels.len(), features])?;
        Ok(Self { features: RowFile::create(&features_path, &header)? })
    }

    pub(crate) fn push(&mut self, rows: &[f32]) -> io::Result<()> {
        self.features.push(rows)
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        self.features.finish()
    }
}

/// Reads rows and labels of one split.
pub(crate) fn read(
    root: &Path,
    split: SplitName,
    rows: usize,
    features: usize,
) -> Result<(Vec<f32>, Vec<i64>), StoreError> {
    let [features_path, labels_path] = paths(root, split);
    let mut file = open(&labels_path, Numbers::Int64, &[rows])?;
    let mut labels = room(&labels_path, rows)?;
    read_integers(&mut file, rows, &mut labels).map_err(StoreError::io("read", &labels_path))?;
    let mut file = open(&features_path, Numbers::Float32, &[rows, features])?;
    let mut values = room(&features_path, rows * features)?;
    read_floats(&mut file, rows * features, &mut values).map_err(StoreError::io("read", &features_path))?;
    Ok((values, labels))
}

/// Opens a `.npy` file and returns a reader of the bytes after the header. The file must have this type and shape and
/// not a byte more.
pub(crate) fn open(path: &Path, numbers: Numbers, shape: &[usize]) -> Result<BufReader<File>, StoreError> {
    let io = |action| StoreError::io(action, path);
    let file = File::open(path).map_err(io("open"))?;
    let length = file.metadata().map_err(io("read"))?.len();
    let mut file = BufReader::with_capacity(1 << 16, file);
    let expected = header(numbers, shape).map_err(io("read"))?;
    let expected = text_of(&expected[PRELUDE..]);
    let mut prelude = [0; PRELUDE];
    let too_short =
        || StoreError::damaged(path, format!("a file of {length} bytes"), format!("a .npy file: {expected}"));
    file.read_exact(&mut prelude).map_err(|_| too_short())?;
    if prelude[..8] != *MAGIC {
        return Err(StoreError::damaged(path, "another kind of file", format!("a .npy file, version 1.0: {expected}")));
    }
    // The length has two bytes, so this allocates at most 64 KiB.
    let mut text = vec![0; usize::from(u16::from_le_bytes([prelude[8], prelude[9]]))];
    file.read_exact(&mut text).map_err(|_| too_short())?;
    // Compare the text instead of parsing it, so that a damaged header is never trusted. The header of numpy differs
    // from ours only in white space and a comma.
    let found = text_of(&text);
    if essence(&found) != essence(&expected) {
        return Err(StoreError::damaged(path, found, expected));
    }
    let data = numbers.bytes().saturating_mul(shape.iter().map(|&size| size as u64).product());
    let whole = (PRELUDE + text.len()) as u64 + data;
    if length != whole {
        return Err(StoreError::damaged(path, format!("{length} bytes"), format!("{whole} bytes")));
    }
    Ok(file)
}

/// Magic and version 1.0, the version of headers below 64 KiB.
const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";

/// Bytes of magic, version and length of the text.
const PRELUDE: usize = 10;

/// The Python expression of a header, without the padding.
fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn essence(text: &str) -> String {
    text.replace(' ', "").replace(",)", ")")
}

fn paths(root: &Path, split: SplitName) -> [PathBuf; 2] {
    let folder = root.join(split.to_string());
    [folder.join("features.npy"), folder.join("labels.npy")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_numpy_but_for_white_space_and_a_comma() {
        for (numbers, shape, expected) in [
            (Numbers::Float32, &[10, 4][..], "{'descr': '<f4', 'fortran_order': False, 'shape': (10, 4), }"),
            (Numbers::Float32, &[0, 4], "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4), }"),
            (Numbers::Float32, &[4], "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }"),
            (Numbers::Int64, &[10], "{'descr': '<i8', 'fortran_order': False, 'shape': (10,), }"),
        ] {
            let header = header(numbers, shape).unwrap();
            assert_eq!(header[..8], *MAGIC);
            assert_eq!(usize::from(u16::from_le_bytes([header[8], header[9]])), header.len() - PRELUDE);
            assert_eq!(header.len() % 16, 0);
            assert_eq!(essence(&text_of(&header[PRELUDE..])), essence(expected));
        }
    }

    #[test]
    fn what_is_not_the_expected_array_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let error = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let error = open(&path, Numbers::Float32, &[2, 3]).unwrap_err().to_string();
            error.strip_prefix(&format!("{}: found ", path.display())).unwrap().to_owned()
        };
        let whole = [header(Numbers::Float32, &[2, 3]).unwrap(), vec![0; 24]].concat();
        let expected = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, ), }";
        let end = "; store the embedding again";
        assert_eq!(error(b""), format!("a file of 0 bytes, expected a .npy file: {expected}{end}"));
        assert_eq!(error(&whole[..50]), format!("a file of 50 bytes, expected a .npy file: {expected}{end}"));
        let other = format!("another kind of file, expected a .npy file, version 1.0: {expected}{end}");
        assert_eq!(error(b"PK\x03\x04 and so on"), other);
        let length = whole.len();
        assert_eq!(error(&whole[..length - 1]), format!("{} bytes, expected {length} bytes{end}", length - 1));
        let longer = [&whole[..], &[0]].concat();
        assert_eq!(error(&longer), format!("{} bytes, expected {length} bytes{end}", length + 1));
        let double = String::from_utf8_lossy(&whole[PRELUDE..]).replace("<f4", "<f8");
        let double = [&whole[..PRELUDE], double.as_bytes()].concat();
        let found = expected.replace("<f4", "<f8");
        assert_eq!(error(&double), format!("{found}, expected {expected}{end}"));
        // The header of numpy, besides ours.
        let text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".as_slice();
        let of_numpy = [MAGIC, &[118, 0][..], text, &[b' '; 117 - 59], b"\n", &[0; 24]].concat();
        for bytes in [whole, of_numpy] {
            fs::write(&path, &bytes).unwrap();
            let mut rest = Vec::new();
            open(&path, Numbers::Float32, &[2, 3]).unwrap().read_to_end(&mut rest).unwrap();
            assert_eq!(rest, [0; 24]);
        }
    }
}
