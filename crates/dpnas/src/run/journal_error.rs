//! Errors of the journal.

use crate::run::journal::JOURNAL_FORMAT;
use std::path::PathBuf;

/// Why a journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file cannot be opened, read or written.
    #[error("cannot use the journal {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The disk, a quota or a limit on file sizes is full.
    #[error(
        "the disk (or a quota or size limit) is full: the last event does not fit into {}. Everything before it is safe: \
         free some space, then resume the run", path.display()
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// Another process is writing to the same run.
    #[error("another process is writing to {}: wait until it ends, or stop it", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A complete line is not an event, or its checksum is wrong.
    #[error(
        "line {line} of {} is damaged: {message}. Restore the file from a copy, or delete this line and all after it: the \
         run then does again what they say", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// The journal has a newer format than this version knows.
    #[error(
        "{} has format {found}, written by dpnas {version}; this version reads formats up to {JOURNAL_FORMAT}. Use \
         dpnas {version} or newer", path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The version that wrote it.
        version: String,
    },
    /// The file has no complete first line.
    #[error("{} has no complete first line: nothing of the run was recorded. Begin a new run", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The settings of the run were edited.
    #[error(
        "line {line} of {} is `{now}`, and was `{begun}` when the run began: write it as it was. What may change is a flag, \
         for example --threads 2", path.display()
    )]
    Settings {
        /// The file of the settings.
        path: PathBuf,
        /// Number of the first line that differs, from 1.
        line: usize,
        /// The line when the run began.
        begun: String,
        /// The line now.
        now: String,
    },
    /// The file was removed while the run was writing to it.
    #[error(
        "{} was removed while this run was writing to it: nothing that follows could be resumed, so the run ends here. Leave \
         a run's folder alone until it ends", path.display()
    )]
    Removed {
        /// The file.
        path: PathBuf,
    },
}
