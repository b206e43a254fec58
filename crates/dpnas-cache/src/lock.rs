//! File locks, also on file systems without locks.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::thread;
use std::time::Duration;

/// How long a process waits for the lock of another program.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Holds the lock of a file, together with the open file. Dropping it unlocks a file system without locks.
#[derive(Debug)]
#[must_use = "on a file system without locks the lock ends when this is dropped"]
pub struct Lock {
    /// The file that says who writes, where the system has no locks.
    held: Option<PathBuf>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            // One that stays is removed by the next process of this machine.
            let _ = std::fs::remove_file(held);
        }
    }
}

/// Locks a file like [`File::try_lock`]. On a file system without locks, a file `<name>.held` beside it names the machine and
/// the process that writes, and there is a warning, once per process. That of an ended process of this machine is
/// replaced.
///
/// # Errors
/// [`TryLockError::WouldBlock`] if the file is already locked, [`TryLockError::Error`] for other system errors.
pub fn try_lock(file: &File, path: &Path) -> Result<Lock, TryLockError> {
    match file.try_lock() {
        Err(TryLockError::Error(error)) if is_without_locks(&error) => hold(path),
        locked => locked.map(|()| Lock { held: None }),
    }
}

/// Same as [`try_lock`], but waits until the file is unlocked, for at most this long.
pub(crate) fn lock(file: &File, path: &Path, patience: Duration) -> Result<Lock, TryLockError> {
    let pause = Duration::from_millis(10);
    for _ in 0..patience.as_millis() / pause.as_millis() {
        match try_lock(file, path) {
            Err(TryLockError::WouldBlock) => thread::sleep(pause),
            locked => return locked,
        }
    }
    try_lock(file, path)
}

/// Options to open a file that others may have planted: a link is an error, and a pipe does not wait.
pub(crate) fn careful() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    }
    options
}

/// Whether the error is ENOSYS or EOPNOTSUPP, or ENOLCK from NFS without its lock service.
fn is_without_locks(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error()) {
        return true;
    }
    error.kind() == ErrorKind::Unsupported
}

/// Creates the file that says who writes.
fn hold(path: &Path) -> Result<Lock, TryLockError> {
    warn(path);
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(".held");
    let held = path.with_file_name(name);
    for _ in 0..2 {
        match careful().write(true).create_new(true).open(&held) {
            Ok(mut file) => {
                file.write_all(format!("{}\n{}\n", machine(), std::process::id()).as_bytes())
                    .map_err(TryLockError::Error)?;
                return Ok(Lock { held: Some(held) });
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let holder = std::fs::read_to_string(&held).unwrap_or_default();
                if !has_ended(&holder) {
                    break;
                }
                std::fs::remove_file(&held).map_err(TryLockError::Error)?;
            }
            Err(error) => return Err(TryLockError::Error(error)),
        }
    }
    Err(TryLockError::WouldBlock)
}

/// Whether the holder is a process of this machine that has ended.
fn has_ended(holder: &str) -> bool {
    let mut lines = holder.lines();
    let (Some(machine_of_holder), Some(process)) = (lines.next(), lines.next()) else { return false };
    machine_of_holder == machine() && process.parse().is_ok_and(|process| !is_alive(process))
}

#[cfg(unix)]
fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(unix)]
fn is_alive(process: i32) -> bool {
    let process = rustix::process::Pid::from_raw(process);
    process.is_none_or(|process| rustix::process::test_kill_process(process) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn machine() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

#[cfg(not(unix))]
fn is_alive(_process: i32) -> bool {
    true
}

fn warn(path: &Path) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let path = path.display();
        tracing::warn!(
            "the file system of {path} has no locks. Files named .held say who writes; after a crash on another machine, \
             remove them"
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ended_process_of_this_machine_has_ended() {
        let me = std::process::id();
        assert!(!has_ended(&format!("{}\n{me}\n", machine())));
        assert!(!has_ended("") && !has_ended(&machine()) && !has_ended("elsewhere\n1\n"));
        #[cfg(unix)]
        {
            let mut child = std::process::Command::new("true").spawn().unwrap();
            child.wait().unwrap();
            assert!(has_ended(&format!("{}\n{}\n", machine(), child.id())));
            assert!(!has_ended(&format!("{}\n{}\n", machine(), child.id()).replace(&machine(), "elsewhere")));
        }
    }

    #[test]
    fn a_file_that_is_held_is_not_held_again_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let lock = hold(&path).unwrap();
        assert!(matches!(hold(&path), Err(TryLockError::WouldBlock)));
        drop(lock);
        assert!(!folder.path().join("journal.jsonl.held").exists());
        drop(hold(&path).unwrap());
    }
}
