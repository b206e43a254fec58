//! The layout `folder`: one folder per class, one `.npy` file per row.

use super::npy::{self, Numbers};
use super::row_file::{read_floats, room, write_floats};
use super::{SplitName, StoreError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Writes one split.
pub(crate) struct FolderWriter {
    folders: Vec<PathBuf>,
    counts: Vec<usize>,
    /// Buffer for one file. The header stays, the row changes.
    file: Vec<u8>,
    header: usize,
    features: usize,
}

impl FolderWriter {
    /// Makes a folder for every class, even without rows: `DatasetFolder` numbers classes by their folders.
    pub(crate) fn create(root: &Path, split: SplitName, classes: usize, features: usize) -> io::Result<Self> {
        let folders: Vec<PathBuf> = (0..classes).map(|label| class_folder(root, split, label)).collect();
        fs::create_dir(root.join(split.to_string()))?;
        folders.iter().try_for_each(fs::create_dir)?;
        let file = npy::header(Numbers::Float32, &[features])?;
        Ok(Self { folders, counts: vec![0; classes], header: file.len(), file, features })
    }

    /// Labels must be below the number of classes.
    pub(crate) fn push(&mut self, rows: &[f32], labels: &[u32]) -> io::Result<()> {
        for (row, &label) in rows.chunks_exact(self.features).zip(labels) {
            let (folder, count) = (&self.folders[label as usize], &mut self.counts[label as usize]);
            self.file.truncate(self.header);
            write_floats(&mut self.file, row)?;
            fs::write(row_file(folder, *count), &self.file)?;
            *count += 1;
        }
        Ok(())
    }
}

/// Reads rows and labels of one split, class by class.
pub(crate) fn read(
    root: &Path,
    split: SplitName,
    rows: usize,
    features: usize,
    classes: usize,
) -> Result<(Vec<f32>, Vec<i64>), StoreError> {
    let folder = root.join(split.to_string());
    let counts = (0..classes)
        .map(|label| count_rows(&class_folder(root, split, label)))
        .collect::<Result<Vec<usize>, StoreError>>()?;
    let found: usize = counts.iter().sum();
    if found != rows {
        return Err(StoreError::damaged(&folder, format!("{found} vectors"), format!("{rows} by the manifest")));
    }
    let mut values = Vec::new();
    let mut labels = room(&folder, rows)?;
    for (label, &count) in counts.iter().enumerate() {
        let class = class_folder(root, split, label);
        for index in 0..count {
            let path = row_file(&class, index);
            let mut file = npy::open(&path, Numbers::Float32, &[features])?;
            // The file has so many numbers: memory grows with what is there, not with what the manifest promises.
            values.try_reserve(features).map_err(|_| {
                let needed = (rows as u64).saturating_mul(features as u64).saturating_mul(4);
                StoreError::OutOfMemory { path: folder.clone(), needed }
            })?;
            read_floats(&mut file, features, &mut values).map_err(StoreError::io("read", &path))?;
        }
        labels.extend(std::iter::repeat_n(label as i64, count));
    }
    Ok((values, labels))
}

/// The number of `.npy` files in the folder of a class.
fn count_rows(folder: &Path) -> Result<usize, StoreError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(StoreError::io("list", folder))?;
    Ok(entries.iter().filter(|entry| entry.path().extension().is_some_and(|extension| extension == "npy")).count())
}

fn class_folder(root: &Path, split: SplitName, label: usize) -> PathBuf {
    root.join(split.to_string()).join(format!("{label:06}"))
}

fn row_file(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("{index:06}.npy"))
}
