//! The layout `safetensors`: one file per split, with the tensors `labels` and `features`.
//!
//! All sizes are known before the first row, so the header comes first and rows follow block by block.

use super::row_file::{RowFile, read_floats, read_integers, room};
use super::{SplitName, StoreError};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

const FEATURES: &str = "features";
const LABELS: &str = "labels";

/// Limit of the bytes of a header. Ours has about 200; other programs may add metadata.
const MAX_HEADER: u64 = 1 << 20;

/// Writes one split.
pub(crate) struct TensorWriter {
    file: RowFile,
}

impl TensorWriter {
    /// Labels come first because the format orders tensors by the size of their numbers.
    pub(crate) fn create(root: &Path, split: SplitName, labels: &[u32], features: usize) -> io::Result<Self> {
        let mut file = RowFile::create(&path(root, split), &header(labels.len(), features)?)?;
        file.push_labels(labels)?;
        Ok(Self { file })
    }

    pub(crate) fn push(&mut self, rows: &[f32]) -> io::Result<()> {
        self.file.push(rows)
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        self.file.finish()
    }
}

/// Reads rows and labels of one split.
pub(crate) fn read(
    root: &Path,
    split: SplitName,
    rows: usize,
    features: usize,
) -> Result<(Vec<f32>, Vec<i64>), StoreError> {
    let path = path(root, split);
    let mut file = open(&path, rows, features)?;
    let mut labels = room(&path, rows)?;
    read_integers(&mut file, rows, &mut labels).map_err(StoreError::io("read", &path))?;
    let mut values = room(&path, rows * features)?;
    read_floats(&mut file, rows * features, &mut values).map_err(StoreError::io("read", &path))?;
    Ok((values, labels))
}

fn metadata(rows: usize, features: usize) -> Option<Metadata> {
    let labels_end = rows.checked_mul(8)?;
    let end = rows.checked_mul(features)?.checked_mul(4)?.checked_add(labels_end)?;
    let labels = TensorInfo { dtype: Dtype::I64, shape: vec![rows], data_offsets: (0, labels_end) };
    let rows = TensorInfo { dtype: Dtype::F32, shape: vec![rows, features], data_offsets: (labels_end, end) };
    Metadata::new(None, vec![(LABELS.to_owned(), labels), (FEATURES.to_owned(), rows)]).ok()
}

/// The length of the header, then the header, padded to a multiple of eight bytes.
fn header(rows: usize, features: usize) -> io::Result<Vec<u8>> {
    let metadata = metadata(rows, features).ok_or(io::ErrorKind::FileTooLarge)?;
    let mut text = serde_json::to_vec(&metadata)?;
    text.resize(text.len().next_multiple_of(8), b' ');
    Ok([&(text.len() as u64).to_le_bytes()[..], &text].concat())
}

/// Opens a file and returns a reader of the bytes after the header. The file must hold the two tensors in these shapes,
/// labels first.
fn open(path: &Path, rows: usize, features: usize) -> Result<BufReader<File>, StoreError> {
    let io = |action| StoreError::io(action, path);
    let file = File::open(path).map_err(io("open"))?;
    let length = file.metadata().map_err(io("read"))?.len();
    let mut file = BufReader::with_capacity(1 << 16, file);
    let damaged = |found: String| {
        StoreError::damaged(
            path,
            found,
            format!("a safetensors file of labels, I64 [{rows}], and features, F32 [{rows}, {features}]"),
        )
    };
    let mut prelude = [0; 8];
    file.read_exact(&mut prelude).map_err(|_| damaged(format!("a file of {length} bytes")))?;
    let header_length = u64::from_le_bytes(prelude);
    if header_length > MAX_HEADER {
        return Err(damaged(format!("a header of {header_length} bytes, more than the {MAX_HEADER} allowed")));
    }
    let mut text = vec![0; header_length as usize];
    file.read_exact(&mut text).map_err(|_| damaged(format!("a file of {length} bytes")))?;
    let found: Metadata = serde_json::from_slice(&text).map_err(|error| damaged(format!("a header with {error}")))?;
    let info =
        |metadata: &Metadata, name| metadata.info(name).map(|info| (info.dtype, info.shape.clone(), info.data_offsets));
    let expected = metadata(rows, features);
    for name in [LABELS, FEATURES] {
        let expected = expected.as_ref().and_then(|metadata| info(metadata, name));
        match info(&found, name) {
            None => return Err(damaged(format!("no tensor `{name}`"))),
            found if found == expected => {}
            Some((dtype, shape, (start, _))) => {
                return Err(damaged(format!("`{name}`, {dtype} {shape:?} from byte {start}")));
            }
        }
    }
    let whole = 8 + header_length + found.data_len() as u64;
    if length != whole {
        return Err(StoreError::damaged(path, format!("{length} bytes"), format!("{whole} bytes")));
    }
    Ok(file)
}

fn path(root: &Path, split: SplitName) -> PathBuf {
    root.join(format!("{split}.safetensors"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;
    use safetensors::tensor::{TensorView, serialize};
    use std::fs;

    fn written(rows: &[f32], labels: &[u32], features: usize) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = TensorWriter::create(folder.path(), SplitName::Val, labels, features).unwrap();
        writer.push(rows).unwrap();
        writer.finish().unwrap();
        fs::read(folder.path().join("val.safetensors")).unwrap()
    }

    #[test]
    fn a_file_has_the_bytes_that_the_library_writes_at_once() {
        let rows = [1.0f32, -2.0, 3.5, 4.0, 5.0, f32::MIN_POSITIVE];
        let bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
        let labels: Vec<u8> = [1i64, 0, 1].iter().flat_map(|label| label.to_le_bytes()).collect();
        let views = [
            (FEATURES, TensorView::new(Dtype::F32, vec![3, 2], &bytes).unwrap()),
            (LABELS, TensorView::new(Dtype::I64, vec![3], &labels).unwrap()),
        ];
        let ours = written(&rows, &[1, 0, 1], 2);
        assert_eq!(ours, serialize(views, None).unwrap());
        assert_eq!(SafeTensors::deserialize(&ours).unwrap().tensor(FEATURES).unwrap().data(), bytes);
    }

    #[test]
    fn a_split_without_rows_is_a_file_too() {
        let ours = written(&[], &[], 5);
        assert_eq!(SafeTensors::deserialize(&ours).unwrap().tensor(FEATURES).unwrap().shape(), [0, 5]);
    }

    #[test]
    fn what_is_not_the_expected_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("val.safetensors");
        let error = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            open(&path, 2, 3).unwrap_err().to_string().split_once(": found ").unwrap().1.to_owned()
        };
        let expected =
            "expected a safetensors file of labels, I64 [2], and features, F32 [2, 3]; store the embedding again";
        assert_eq!(error(b"abc"), format!("a file of 3 bytes, {expected}"));
        assert_eq!(
            error(&[0xff; 100]),
            format!("a header of {} bytes, more than the {MAX_HEADER} allowed, {expected}", u64::MAX)
        );
        assert!(error(b"\x02\0\0\0\0\0\0\0x}").starts_with("a header with expected value"));
        let whole = written(&[0.0; 6], &[0, 1], 3);
        let length = whole.len();
        assert_eq!(
            error(&whole[..length - 4]),
            format!("{} bytes, expected {length} bytes; store the embedding again", length - 4)
        );
        assert_eq!(error(&written(&[0.0; 8], &[0, 1], 4)), format!("`features`, F32 [2, 4] from byte 16, {expected}"));
        let at = whole.windows(6).position(|window| window == LABELS.as_bytes()).unwrap();
        let no_labels = [&whole[..at], b"lebals", &whole[at + 6..]].concat();
        assert_eq!(error(&no_labels), format!("no tensor `labels`, {expected}"));
    }
}
