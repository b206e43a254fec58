//! File locks, also on file systems without locks.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Once;

/// Locks a file like [`File::try_lock`]. On a file system without locks it succeeds with a warning, once per process.
///
/// # Errors
/// [`TryLockError::WouldBlock`] if the file is already locked, [`TryLockError::Error`] for other system errors.
pub fn try_lock(file: &File, path: &Path) -> Result<(), TryLockError> {
    match file.try_lock() {
        Err(TryLockError::Error(error)) if is_without_locks(&error) => {
            warn(path);
            Ok(())
        }
        locked => locked,
    }
}

/// Same as [`try_lock`], but waits until the file is unlocked.
pub(crate) fn lock(file: &File, path: &Path) -> io::Result<()> {
    match file.lock() {
        Err(error) if is_without_locks(&error) => {
            warn(path);
            Ok(())
        }
        locked => locked,
    }
}

/// Whether the error is ENOSYS or EOPNOTSUPP, or ENOLCK from NFS without its lock service.
fn is_without_locks(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::ENOLCK) {
        return true;
    }
    error.kind() == ErrorKind::Unsupported
}

fn warn(path: &Path) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let path = path.display();
        tracing::warn!("the file system of {path} has no locks: make sure that no other process writes to this folder");
    });
}
