//! What can go wrong when an embedding is stored or read back.

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
        /// What was tried, for example `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk, the user's quota or the largest size of a file is reached. Nothing half-written remains.
    #[error(
        "the disk (or a quota or size limit) is full: the embedding could not be stored, and nothing of it is left in \
         {}. It needs at least {needed} bytes; free some space or choose a folder on another disk",
        folder.display()
    )]
    DiskFull {
        /// The folder that was to hold the embedding.
        folder: PathBuf,
        /// Bytes of the rows and labels of all splits.
        needed: u64,
    },
    /// There is a file or folder where the embedding was to go, and it is not to be replaced.
    #[error("{} exists already: choose another folder, or have it replaced with --overwrite", path.display())]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
    /// What is to be replaced is no stored embedding, or holds other files too, and would be lost.
    #[error(
        "{} is not replaced: {reason}. Only a folder with a stored embedding and nothing else is; choose another one",
        path.display()
    )]
    NotReplaceable {
        /// The file or folder.
        path: PathBuf,
        /// Why it is kept.
        reason: String,
    },
    /// The path of the embedding ends in no name, as `/` and `..` do.
    #[error("`{}` names no folder that could be made: give a path that ends in a name", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// The old embedding was moved aside, the new one could not take its place, and the old one could not be moved back.
    #[error("{} could not be replaced, and the old embedding is now in {}: move it back", path.display(), aside.display())]
    LeftAside {
        /// Where the embedding was.
        path: PathBuf,
        /// Where it is.
        aside: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The rows written are more than the labels, or fewer when the embedding was finished.
    #[error("the split {split} has {found} rows for {expected} labels")]
    RowCount {
        /// The split.
        split: SplitName,
        /// Rows.
        found: usize,
        /// Labels.
        expected: usize,
    },
    /// Rows of 0 features were announced, so that they could not be counted.
    #[error("an embedding needs at least one feature")]
    NoFeatures,
    /// The values pushed are not whole rows.
    #[error("{values} values are not whole rows of {features} features: push a multiple of {features}")]
    PartialRow {
        /// Number of values.
        values: usize,
        /// Features of a row.
        features: usize,
    },
    /// A label without a class name.
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
    /// A folder without the manifest of a stored embedding.
    #[error("{} is no stored embedding: it has no manifest.json that `embed` wrote", path.display())]
    NotAnEmbedding {
        /// The folder.
        path: PathBuf,
    },
    /// A newer version wrote the embedding in a format that this one does not know.
    #[error("{} has format {found}, written by {program}; this version reads formats up to {supported}. Use {program} or newer", path.display())]
    NewerFormat {
        /// The manifest.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that is read.
        supported: u32,
        /// The program that wrote it.
        program: String,
    },
    /// A file of a stored embedding is truncated, or does not go with its manifest.
    #[error("{}: found {found}, expected {expected}; store the embedding again", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What there is.
        found: String,
        /// What there should be.
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
    /// Adapter for `map_err` on an operation that writes no rows.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// What a failed write of an embedding of `needed` bytes into `folder` means.
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
