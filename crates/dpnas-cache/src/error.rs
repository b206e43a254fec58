//! Errors of the cache.

use crate::DType;
use std::io;
use std::path::{Path, PathBuf};

/// Why an operation of the cache failed.
///
/// A damaged entry is a miss, not an error: see [`Cache::get`](crate::Cache::get).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The operating system refused an operation for a reason other than a full disk.
    #[error("cannot {action} {path}: {source}; check that the cache folder can be read and written", path = path.display())]
    Io {
        /// The operation, for example `open the cache entry`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The disk, a quota or a limit on file sizes is full. No partial file remains.
    #[error(
        "no room for a cache entry of at least {needed} bytes in {path} ({source}): \
         free space there, choose a cache folder on another disk, or keep no cache on disk",
        path = path.display()
    )]
    DiskFull {
        /// The folder of the cache.
        path: PathBuf,
        /// Bytes pushed so far, with the header.
        needed: u64,
        /// The operating system's reason.
        source: io::Error,
    },
    /// There is not enough memory for a matrix in memory.
    #[error("no memory for a matrix of at least {needed} bytes: keep the cache on disk, where rows are memory-mapped")]
    OutOfMemory {
        /// Bytes pushed so far and reserved.
        needed: u64,
    },
    /// The key's fields do not fit into a header of [`MAX_HEADER`](crate::MAX_HEADER) bytes.
    #[error("the key needs a header of {length} bytes, more than the {limit} allowed: store a hash of its long fields")]
    KeyTooLong {
        /// Bytes of the header.
        length: usize,
        /// Largest number of bytes.
        limit: usize,
    },
    /// A matrix of 0 columns has no countable rows.
    #[error("a matrix needs at least one column")]
    NoColumns,
    /// The pushed values are not whole rows. Nothing was written; the writer can continue.
    #[error("{values} values are not whole rows of {columns} columns: push a multiple of {columns} values")]
    PartialRow {
        /// Number of values pushed.
        values: usize,
        /// Columns of the matrix.
        columns: usize,
    },
    /// A value pushed to a matrix of bf16 is not exact in bf16. Nothing was written; the writer can continue.
    #[error("{value:?} cannot be stored as {dtype} without a change: store the matrix as f32")]
    Inexact {
        /// The first such value.
        value: f32,
        /// Number type of the matrix.
        dtype: DType,
    },
    /// An earlier push to the same writer failed and removed its file.
    #[error("an earlier write to this cache entry failed: create it again and push every row")]
    WriterFailed,
}

impl CacheError {
    /// For `map_err` of an operation that needs no disk space.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// For `map_err` of an operation that needs disk space. A full disk has its own variant.
    pub(crate) fn write(action: &'static str, folder: &Path, needed: u64) -> impl FnOnce(io::Error) -> Self {
        let path = folder.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull { path, needed, source }
            }
            _ => Self::Io { action, path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind;

    #[test]
    fn a_full_disk_a_used_up_quota_and_a_file_size_limit_are_told_from_other_failures() {
        let of = |kind: ErrorKind| CacheError::write("write", Path::new("/c"), 9)(kind.into());
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge] {
            assert!(matches!(of(kind), CacheError::DiskFull { needed: 9, .. }));
        }
        assert!(matches!(of(ErrorKind::PermissionDenied), CacheError::Io { action: "write", .. }));
        assert_eq!(
            of(ErrorKind::StorageFull).to_string(),
            "no room for a cache entry of at least 9 bytes in /c (no storage space): free space there, choose a cache \
             folder on another disk, or keep no cache on disk"
        );
    }
}
