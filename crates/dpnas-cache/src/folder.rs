//! The folder of the cache: names, locks, order of last use, eviction and files of crashed processes.

use crate::lock::{Lock, PATIENCE, careful, lock, try_lock};
use crate::{CacheError, Key};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempPath;

const ENTRY_SUFFIX: &str = ".embedding";
const PART_PREFIX: &str = "writing-";
const PART_SUFFIX: &str = ".part";
const LOCK_NAME: &str = ".lock";

/// A folder and the byte budget of its entries.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: Arc<Path>,
    budget: u64,
    /// Whether another program kept the folder locked for too long. It is not waited for again.
    gave_up: Arc<AtomicBool>,
}

/// A published entry, ordered by last use, then by name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    used: SystemTime,
    name: String,
    bytes: u64,
}

impl Folder {
    /// Opens or creates the folder, removes files of crashed processes, and evicts down to the budget.
    pub(crate) fn open(path: PathBuf, budget: u64) -> Result<Self, CacheError> {
        let folder = Self { path: path.into(), budget, gave_up: Arc::default() };
        folder.create()?;
        if let Some(_lock) = folder.lock()? {
            folder.sweep()?;
            folder.evict(budget, None)?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn entry_name(key: &Key) -> String {
        key.hash() + ENTRY_SUFFIX
    }

    pub(crate) fn entry_path(&self, key: &Key) -> PathBuf {
        self.path.join(Self::entry_name(key))
    }

    /// Creates an empty part file, locked while it is open. `needed` is for the error of a full disk.
    pub(crate) fn create_part(&self, needed: u64) -> Result<(File, TempPath, Lock), CacheError> {
        self.create()?;
        // No other process may sweep the file before it is locked.
        let _lock = self.lock()?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(PART_PREFIX).suffix(PART_SUFFIX);
        #[cfg(unix)]
        {
            // Default permissions instead of a temporary file's private ones, because others may share the folder.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let part = builder.tempfile_in(&self.path);
        let (file, path) = part.map_err(CacheError::write("create a cache entry in", &self.path, needed))?.into_parts();
        let lock =
            try_lock(&file, &path).map_err(io::Error::from).map_err(CacheError::io("lock the cache entry", &path))?;
        Ok((file, path, lock))
    }

    /// Makes room for a finished part file of `bytes` bytes and renames it, unless it is larger than the budget.
    pub(crate) fn publish(&self, file: &File, part: TempPath, name: &str, bytes: u64) -> Result<(), CacheError> {
        if bytes > self.budget {
            tracing::warn!(
                folder = %self.path.display(), bytes, budget = self.budget,
                "an embedding is larger than the cache's whole budget and is not kept: raise the budget"
            );
            return Ok(());
        }
        let Some(_lock) = self.lock()? else { return Ok(()) };
        self.evict(self.budget - bytes, Some(name))?;
        touch(file, &part);
        let path = self.path.join(name);
        part.persist(&path)
            .map_err(|error| CacheError::write("publish a cache entry in", &self.path, bytes)(error.error))
    }

    /// Bytes of all published entries.
    pub(crate) fn used(&self) -> Result<u64, CacheError> {
        Ok(self.entries()?.iter().map(|entry| entry.bytes).sum())
    }

    /// Removes every published entry.
    pub(crate) fn clear(&self) -> Result<(), CacheError> {
        let _lock = self.lock()?;
        for entry in self.entries()? {
            let path = self.path.join(entry.name);
            remove(&path).map_err(CacheError::io("remove the cache entry", &path))?;
        }
        Ok(())
    }

    /// Removes the least recently used entries until the others take at most `limit` bytes. The entry `replaced` does
    /// not count because a new entry takes its name. The folder must be locked.
    fn evict(&self, limit: u64, replaced: Option<&str>) -> Result<(), CacheError> {
        let mut entries = self.entries()?;
        entries.retain(|entry| Some(entry.name.as_str()) != replaced);
        entries.sort_unstable();
        let mut used: u64 = entries.iter().map(|entry| entry.bytes).sum();
        for entry in entries {
            if used <= limit {
                break;
            }
            let path = self.path.join(&entry.name);
            match remove(&path) {
                Ok(()) => {
                    tracing::debug!(path = %path.display(), bytes = entry.bytes, "evicted");
                    used -= entry.bytes;
                }
                Err(error) => tracing::warn!(path = %path.display(), %error, "cannot evict a cache entry"),
            }
        }
        Ok(())
    }

    /// Removes part files of crashed processes. The folder must be locked.
    fn sweep(&self) -> Result<(), CacheError> {
        for (name, _) in self.files()? {
            if !(name.starts_with(PART_PREFIX) && name.ends_with(PART_SUFFIX)) {
                continue;
            }
            let path = self.path.join(name);
            // A writer holds the lock until its process ends, even if it crashes.
            let file = careful().write(true).open(&path);
            if file.is_ok_and(|file| try_lock(&file, &path).is_ok()) {
                tracing::info!(path = %path.display(), "removing the file of an interrupted program");
                if let Err(error) = remove(&path) {
                    tracing::warn!(path = %path.display(), %error, "cannot remove an abandoned file");
                }
            }
        }
        Ok(())
    }

    fn create(&self) -> Result<(), CacheError> {
        fs::create_dir_all(&self.path).map_err(CacheError::write("create the cache folder", &self.path, 0))
    }

    /// Waits for the folder's lock and holds it until the returned values are dropped. `None`, with a warning, if another
    /// program keeps it for too long.
    fn lock(&self) -> Result<Option<(File, Lock)>, CacheError> {
        let path = self.path.join(LOCK_NAME);
        let open = careful().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(CacheError::write("create the lock file in", &self.path, 0))?;
        let patience = if self.gave_up.load(Ordering::Relaxed) { Duration::ZERO } else { PATIENCE };
        match lock(&file, &path, patience) {
            Ok(lock) => Ok(Some((file, lock))),
            Err(TryLockError::WouldBlock) => {
                if !self.gave_up.swap(true, Ordering::Relaxed) {
                    let path = path.display();
                    tracing::warn!(
                        "another program keeps {path} locked; going on without storing embeddings or making room"
                    );
                }
                Ok(None)
            }
            Err(TryLockError::Error(error)) => Err(CacheError::io("lock", &path)(error)),
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, CacheError> {
        let files = self.files()?.into_iter().filter(|(name, _)| is_entry_name(name));
        files
            .map(|(name, metadata)| {
                let used = metadata.modified().map_err(CacheError::io("read the time of files in", &self.path))?;
                Ok(Entry { used, name, bytes: metadata.len() })
            })
            .collect()
    }

    /// Regular files with UTF-8 names; none if the folder is missing. Skips files that vanish meanwhile.
    fn files(&self) -> Result<Vec<(String, fs::Metadata)>, CacheError> {
        let list = || -> io::Result<Vec<(String, fs::Metadata)>> {
            let mut files = Vec::new();
            for item in fs::read_dir(&self.path)? {
                let item = item?;
                let metadata = match item.metadata() {
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    metadata => metadata?,
                };
                if let (true, Ok(name)) = (metadata.is_file(), item.file_name().into_string()) {
                    files.push((name, metadata));
                }
            }
            Ok(files)
        };
        match list() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            files => files.map_err(CacheError::io("list the cache folder", &self.path)),
        }
    }
}

/// Marks an entry as used now. A failure only changes the order of eviction.
pub(crate) fn touch(file: &File, path: &Path) {
    #[expect(clippy::disallowed_methods, reason = "clock: the order of last use, which decides no result")]
    let now = SystemTime::now();
    if let Err(error) = file.set_modified(now) {
        tracing::debug!(path = %path.display(), %error, "cannot record the use of a cache entry");
    }
}

/// Removes a file if it exists.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn is_entry_name(name: &str) -> bool {
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    name.strip_suffix(ENTRY_SUFFIX).is_some_and(is_hash)
}
