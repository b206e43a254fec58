//! What can go wrong, and what to do about it.

use crate::DType;
use std::io;
use std::path::{Path, PathBuf};

/// Why the cache could not do what was asked.
///
/// A damaged entry is no error but a miss: see [`Cache::get`](crate::Cache::get).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The operating system refused an operation on a file or folder, for a reason other than a full disk.
    #[error("cannot {action} {path}: {source}; check that the cache folder can be read and written", path = path.display())]
    Io {
        /// What was tried, for example `open the cache entry`.
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The disk, the user's quota or the file-size limit is used up. Nothing half-written remains.
    #[error(
        "no room for a cache entry of at least {needed} bytes in {path} ({source}): \
         free space there, choose a cache folder on another disk, or keep no cache on disk",
        path = path.display()
    )]
    DiskFull {
        /// The folder of the cache.
        path: PathBuf,
        /// Bytes that the entry needs at least: what was pushed so far, and its header.
        needed: u64,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A matrix kept in memory needs more memory than there is.
    #[error("no memory for a matrix of at least {needed} bytes: keep the cache on disk, where rows are memory-mapped")]
    OutOfMemory {
        /// Bytes that the matrix needs at least: what was pushed so far.
        needed: u64,
    },
    /// The key's fields do not fit into a header of [`MAX_HEADER`](crate::MAX_HEADER) bytes.
    #[error("the key needs a header of {length} bytes, more than the {limit} allowed: store a hash of its long fields")]
    KeyTooLong {
        /// Bytes that the header would have.
        length: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// A matrix of 0 columns was asked for, so that rows could not be counted.
    #[error("a matrix needs at least one column")]
    NoColumns,
    /// The values pushed are not whole rows. Nothing was written; the writer can go on.
    #[error("{values} values are not whole rows of {columns} columns: push a multiple of {columns} values")]
    PartialRow {
        /// Number of values pushed.
        values: usize,
        /// Columns of the matrix.
        columns: usize,
    },
    /// A number was pushed to a matrix of `bf16` that is none. Nothing was written; the writer can go on.
    #[error("{value:?} cannot be stored as {dtype} without a change: store the matrix as f32")]
    Inexact {
        /// The first such number.
        value: f32,
        /// What the matrix is stored in.
        dtype: DType,
    },
    /// An earlier push to the same writer failed; what it had written is gone.
    #[error("an earlier write to this cache entry failed: create it again and push every row")]
    WriterFailed,
}

impl CacheError {
    /// Adapter for `map_err` on an operation that writes nothing to speak of.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Adapter for `map_err` on an operation that writes: tells a full disk from other reasons.
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
