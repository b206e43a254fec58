//! The folder of one run.
//!
//! ```text
//! runs/20261123T231500Z-search-1a2b3c/
//!   settings.toml       every option, set or default        written once
//!   journal.jsonl       all asks and tells of the search    appended to
//!   replay_buffer.csv   rebuilt from the journal, appended to while the search runs
//!   q_values.csv        rewritten when the run stops
//!   rewards.svg, .png   redrawn while the search runs
//!   report.html         rewritten while the search runs
//!   log.txt             messages of the program
//!   interrupted         a signal ended the run; until it is resumed
//!   continued_*.csv     copies of the files of the run that this one continues, if any
//! ```

use crate::JournalError;
use crate::run::journal::check_settings;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Why a run folder cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The folder or a file in it cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The disk, a quota or a limit on file sizes is full.
    #[error(
        "the disk (or a quota or size limit) is full: {} could not be written. Free some space, then resume the run",
        path.display()
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The folder is not that of a run.
    #[error("{} is not the folder of a run: it has no {missing}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The missing file.
        missing: &'static str,
    },
    /// The journal cannot be read, or is that of a run with other settings.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Any folder, to write files in that appear complete or not at all.
    #[cfg(feature = "continual")]
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes a folder `<UTC time>-<job>-<6 hexadecimal digits>` in `runs` and writes the settings into it.
    ///
    /// # Errors
    /// If the folder cannot be made or written.
    pub fn create(runs: &Path, job: &str, settings: &str) -> Result<Self, FolderError> {
        fs::create_dir_all(runs).map_err(|source| io(runs, source))?;
        #[expect(clippy::disallowed_methods, reason = "clock: names a folder and decides no result")]
        let now = SystemTime::now();
        let time: String =
            humantime::format_rfc3339_seconds(now).to_string().chars().filter(char::is_ascii_alphanumeric).collect();
        let nanoseconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let mark = nanoseconds ^ u64::from(std::process::id()).rotate_left(40);
        for attempt in 0..64 {
            let tag = mark.wrapping_add(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let path = runs.join(format!("{time}-{job}-{tag:06x}"));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let folder = Self { path };
                    folder.replace("settings.toml", settings.as_bytes())?;
                    // The folder and its settings must survive a power cut before a journal begins.
                    folder.sync("settings.toml")?;
                    sync_folder(runs).map_err(|source| io(runs, source))?;
                    return Ok(folder);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(io(&path, source)),
            }
        }
        Err(io(runs, std::io::ErrorKind::AlreadyExists.into()))
    }

    /// Opens the folder of an earlier run.
    ///
    /// # Errors
    /// [`FolderError::NotARun`] if settings or journal are missing, [`FolderError::Journal`] if the settings are no longer
    /// those of the journal.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FolderError> {
        Self::open_with(path, "journal.jsonl")
    }

    /// Same as [`open`](Self::open), for a journal with another name.
    ///
    /// # Errors
    /// [`FolderError::NotARun`] if settings or journal are missing, [`FolderError::Journal`] if the settings are no longer
    /// those of the journal.
    pub fn open_with(path: impl Into<PathBuf>, journal: &'static str) -> Result<Self, FolderError> {
        let path = path.into();
        for missing in ["settings.toml", journal] {
            if !path.join(missing).is_file() {
                return Err(FolderError::NotARun { path, missing });
            }
        }
        check_settings(&path.join(journal))?;
        Ok(Self { path })
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The text of `settings.toml`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn settings(&self) -> Result<String, FolderError> {
        let path = self.file("settings.toml");
        fs::read_to_string(&path).map_err(|source| io(&path, source))
    }

    /// Syncs a file and its name to the disk.
    pub(crate) fn sync(&self, name: &str) -> Result<(), FolderError> {
        let path = self.file(name);
        // Windows syncs only files that are open for writing.
        let file = fs::OpenOptions::new().write(true).open(&path);
        file.and_then(|file| file.sync_all()).map_err(|source| io(&path, source))?;
        sync_folder(&self.path).map_err(|source| io(&self.path, source))
    }

    /// Notes that a signal ends the run: the evaluation at hand will not have killed it, even if the process ends before the
    /// journal says so. For a program that ends itself within a long step.
    ///
    /// # Errors
    /// If the note cannot be written.
    pub fn note_interruption(&self) -> Result<(), FolderError> {
        let path = self.file(INTERRUPTED);
        fs::write(&path, "").map_err(|source| io(&path, source))
    }

    /// Writes a file of the folder under a temporary name and renames it. A reader never sees a partial file.
    ///
    /// # Errors
    /// If the file cannot be written. The old file then stays unchanged.
    pub fn replace(&self, name: &str, content: &[u8]) -> Result<(), FolderError> {
        self.replace_with(name, |file| file.write_all(content))
    }

    /// Same as [`replace`](Self::replace), with content from a function.
    ///
    /// # Errors
    /// If the file cannot be written. The old file then stays unchanged.
    pub fn replace_with(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), FolderError> {
        let path = self.file(name);
        let result = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.path).and_then(|mut temporary| {
            let mut buffered = std::io::BufWriter::new(temporary.as_file_mut());
            write(&mut buffered)?;
            buffered.flush()?;
            drop(buffered);
            make_readable(temporary.path())?;
            temporary.persist(&path).map_err(|error| error.error)?;
            Ok(())
        });
        result.map_err(|source| io(&path, source))
    }
}

/// Says that a signal ended the run.
pub(crate) const INTERRUPTED: &str = "interrupted";

/// Beginning of the names of files that are being written.
const UNFINISHED: &str = ".writing-";

/// Removes files that a killed process was writing. The caller holds the lock of the run.
pub(crate) fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // One that stays does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Syncs the names in a folder to the disk, on systems where a folder can be opened.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if cfg!(unix) { fs::File::open(path)?.sync_all() } else { Ok(()) }
}

/// Makes a file readable for all: temporary files are private to their owner, results are not.
#[cfg(unix)]
fn make_readable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

pub(crate) fn io(path: &Path, source: std::io::Error) -> FolderError {
    let path = path.to_owned();
    if is_full(&source) { FolderError::DiskFull { path } } else { FolderError::Io { path, source } }
}

/// Whether a write failed for lack of space.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_names_of_their_own_and_keep_their_settings() {
        let runs = tempfile::tempdir().unwrap();
        let first = RunFolder::create(runs.path(), "search", "seed = 1\n").unwrap();
        let second = RunFolder::create(runs.path(), "search", "seed = 2\n").unwrap();
        assert_ne!(first, second);
        assert_eq!(first.settings().unwrap(), "seed = 1\n");
        let name = first.path().file_name().unwrap().to_str().unwrap();
        let parts: Vec<&str> = name.split('-').collect();
        assert!(matches!(parts[..], [time, "search", tag] if time.len() == 16 && tag.len() == 6), "{name}");
    }

    #[test]
    fn a_folder_without_a_journal_is_no_run() {
        let runs = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(runs.path(), "search", "").unwrap();
        let error = RunFolder::open(folder.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{} is not the folder of a run: it has no journal.jsonl", folder.path().display())
        );
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let runs = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(runs.path(), "search", "").unwrap();
        folder.replace("a.txt", b"old").unwrap();
        let failed = folder.replace_with("a.txt", |file| {
            file.write_all(b"ne")?;
            Err(std::io::ErrorKind::StorageFull.into())
        });
        assert!(matches!(failed, Err(FolderError::DiskFull { .. })));
        assert_eq!(fs::read(folder.file("a.txt")).unwrap(), b"old");
        folder.replace("a.txt", b"new").unwrap();
        assert_eq!(fs::read(folder.file("a.txt")).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    }
}
