//! Locks on files, which some file systems lack.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Once;

/// Locks a file as [`File::try_lock`] does. On a file system without locks it warns, once a process, and succeeds.
///
/// # Errors
/// [`TryLockError::WouldBlock`] if the file is locked already, or what else the operating system reports.
pub fn try_lock(file: &File, path: &Path) -> Result<(), TryLockError> {
    match file.try_lock() {
        Err(TryLockError::Error(error)) if is_without_locks(&error) => {
            warn(path);
            Ok(())
        }
        locked => locked,
    }
}

/// As [`try_lock`], but waits until the file is free.
pub(crate) fn lock(file: &File, path: &Path) -> io::Result<()> {
    match file.lock() {
        Err(error) if is_without_locks(&error) => {
            warn(path);
            Ok(())
        }
        locked => locked,
    }
}

/// ENOSYS, EOPNOTSUPP and, from NFS without its lock service, ENOLCK.
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
