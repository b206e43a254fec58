//! Errors of storing an embedding and reading it back.

use super::SplitName;
use crate::run::folder::is_full;
use std::io;
use std::path::{Path, PathBuf};

/// Why an embedding could not be stored or read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refused an operation on a file or folder, for a reason other than a full disk.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The operation, for example `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The disk, a quota or a limit on file sizes is full. No partial embedding remains.
    #[error(
        "the disk (or a quota or size limit) is full: the embedding could not be stored, and nothing of it is left in \
         {}. It needs at least {needed} bytes; free some space or choose a folder on another disk",
        folder.display()
    )]
    DiskFull {
        /// The folder for the embedding.
        folder: PathBuf,
        /// Bytes of the rows and labels of all splits.
        needed: u64,
    },
    /// The target of the embedding exists and must not be replaced.
    #[error("{} exists already: choose another folder, or have it replaced with --overwrite", path.display())]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
    /// The target is not a stored embedding, or holds other files, which would be lost.
    #[error(
        "{} is not replaced: {reason}. Only a folder with a stored embedding and nothing else is; choose another one",
        path.display()
    )]
    NotReplaceable {
        /// The file or folder.
        path: PathBuf,
        /// Why it is not replaced.
        reason: String,
    },
    /// The path of the embedding has no last name, for example `/` or `..`.
    #[error("`{}` names no folder that could be made: give a path that ends in a name", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// The old embedding was moved aside. Then the new one could not be moved to its place, nor the old one back.
    #[error("{} could not be replaced, and the old embedding is now in {}: move it back", path.display(), aside.display())]
    LeftAside {
        /// Target of the embedding.
        path: PathBuf,
        /// Present path of the old embedding.
        aside: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A split has more rows than labels, or the embedding was finished with fewer rows than labels.
    #[error("the split {split} has {found} rows for {expected} labels")]
    RowCount {
        /// The split.
        split: SplitName,
        /// Rows.
        found: usize,
        /// Labels.
        expected: usize,
    },
    /// The manifest has rows of 0 features. Such rows cannot be counted.
    #[error("an embedding needs at least one feature")]
    NoFeatures,
    /// The number of pushed values is not a multiple of the features.
    #[error("{values} values are not whole rows of {features} features: push a multiple of {features}")]
    PartialRow {
        /// Number of values.
        values: usize,
        /// Features of a row.
        features: usize,
    },
    /// A label has no class name.
    #[error("row {row} of {split} has the label {label}, but there are {classes} class names (labels 0 and up)")]
    LabelRange {
        /// The split.
        split: SplitName,
        /// The row, from 0.
        row: usize,
        /// Its label.
        label: i64,
        /// Number of class names.
        classes: usize,
    },
    /// The folder has no manifest of a stored embedding.
    #[error("{} is no stored embedding: it has no manifest.json that `embed` wrote", path.display())]
    NotAnEmbedding {
        /// The folder.
        path: PathBuf,
    },
    /// The embedding has a newer format than this version knows.
    #[error("{} has format {found}, written by {program}; this version reads formats up to {supported}. Use {program} or newer", path.display())]
    NewerFormat {
        /// The manifest.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version reads.
        supported: u32,
        /// The program that wrote it.
        program: String,
    },
    /// A file of a stored embedding is truncated or contradicts its manifest.
    #[error("{}: found {found}, expected {expected}; store the embedding again", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A split does not fit the memory.
    #[error("no memory for {needed} bytes of {}: read it in another program that can map it, or store fewer rows", path.display())]
    OutOfMemory {
        /// The file or folder.
        path: PathBuf,
        /// Bytes of its rows.
        needed: u64,
    },
    /// The manifest's settings cannot be written as JSON.
    #[error("the manifest cannot be written")]
    Manifest(#[source] serde_json::Error),
}

impl StoreError {
    /// For `map_err` of an operation that writes no rows.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// For `map_err` of a write to an embedding of `needed` bytes in `folder`.
    pub(crate) fn write(path: &Path, folder: &Path, needed: u64) -> impl FnOnce(io::Error) -> Self + use<> {
        let (path, folder) = (path.to_owned(), folder.to_owned());
        move |source| match is_full(&source) {
            true => Self::DiskFull { folder, needed },
            false => Self::Io { action: "write", path, source },
        }
    }

    pub(crate) fn damaged(path: &Path, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), found: found.into(), expected: expected.into() }
    }
}
