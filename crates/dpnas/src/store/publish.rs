//! Publishing a folder complete or not at all.

use super::{StoreError, manifest};
use crate::run::folder::sync_folder;
use dpnas_cache::Lock;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What to do if the target of an embedding exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Keep it and do not store the embedding.
    Refuse,
    /// Replace it by the complete new embedding if it is a stored embedding or an empty folder; keep anything else.
    Replace,
}

/// A folder that is written beside its target. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Publication {
    target: PathBuf,
    existing: Existing,
    needed: u64,
    work: TempDir,
    /// The open folder, which is locked while the process lives.
    _lock: Option<(File, Lock)>,
}

impl Publication {
    /// Makes an empty folder beside `target`, for an embedding of `needed` bytes.
    pub(crate) fn begin(target: &Path, existing: Existing, needed: u64) -> Result<Self, StoreError> {
        // Follow a link, so that its target is replaced and not the link.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        check(&target, existing)?;
        let parent = parent(&target);
        fs::create_dir_all(parent).map_err(StoreError::write(parent, &target, needed))?;
        sweep(&target);
        let work = beside(&target, WRITING, needed)?;
        let lock = lock(work.path());
        Ok(Self { target, existing, needed, work, _lock: lock })
    }

    /// The folder to write into.
    pub(crate) fn path(&self) -> &Path {
        self.work.path()
    }

    /// For `map_err` of a write to `path`.
    pub(crate) fn failed(&self, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
        StoreError::write(path, &self.target, self.needed)
    }

    /// Renames the folder to its target, or exchanges it with an old embedding, which is then removed. Where the system cannot
    /// exchange, the old one is moved aside first. It is moved back if the renaming fails, and removed at the end otherwise.
    pub(crate) fn publish(self) -> Result<PathBuf, StoreError> {
        let Self { target, existing, needed, work, _lock } = self;
        check(&target, existing)?;
        sync_all(work.path()).map_err(StoreError::write(work.path(), &target, needed))?;
        if !occupied(&target) {
            match fs::rename(work.path(), &target) {
                Err(error) if is_occupied(&error) => return Err(StoreError::Exists { path: target }),
                renamed => renamed.map_err(StoreError::io("move the finished embedding to", &target))?,
            }
            let _ = work.keep();
            sync_name(&target);
            return Ok(target);
        }
        if exchange(work.path(), &target).map_err(StoreError::io("exchange the old embedding in", &target))? {
            sync_name(&target);
            remove(work);
            return Ok(target);
        }
        let aside = beside(&target, REPLACED, needed)?;
        let _lock = lock(aside.path());
        let old = aside.path().join("embedding");
        fs::rename(&target, &old).map_err(StoreError::io("move the old embedding away from", &target))?;
        if let Err(error) = fs::rename(work.path(), &target) {
            if let Err(source) = fs::rename(&old, &target) {
                let aside = aside.keep().join("embedding");
                return Err(StoreError::LeftAside { path: target, aside, source });
            }
            return Err(StoreError::io("move the finished embedding to", &target)(error));
        }
        let _ = work.keep();
        sync_name(&target);
        remove(aside);
        Ok(target)
    }
}

const WRITING: &str = "writing";
const REPLACED: &str = "replaced";

/// Removes what processes that have ended left beside the target.
fn sweep(target: &Path) {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let left = [WRITING, REPLACED].map(|what| format!(".{name}.{what}-"));
    for entry in fs::read_dir(parent(target)).into_iter().flatten().flatten() {
        let is_left = left.iter().any(|left| entry.file_name().to_string_lossy().starts_with(left));
        if is_left && entry.file_type().is_ok_and(|kind| kind.is_dir()) && lock(&entry.path()).is_some() {
            tracing::info!("removing {}, which an interrupted program left", entry.path().display());
            // One that stays does no harm.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Locks a folder, on systems where a folder can be opened.
fn lock(folder: &Path) -> Option<(File, Lock)> {
    let file = File::open(folder).ok()?;
    let lock = dpnas_cache::try_lock(&file, folder).ok()?;
    Some((file, lock))
}

/// Exchanges two folders in one step; false where the system cannot.
#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => Ok(false),
        exchanged => Ok(exchanged.map(|()| true)?),
    }
}

#[cfg(not(target_os = "linux"))]
fn exchange(_one: &Path, _other: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Removes a replaced embedding.
fn remove(old: TempDir) {
    let path = old.path().to_owned();
    if let Err(error) = old.close() {
        tracing::warn!("the replaced embedding in {} could not be removed: {error}", path.display());
    }
}

/// Writes the files of a folder through to the disk, so that a power cut after the rename leaves no empty ones. One call
/// for the file system is faster than one for each vector of layout `folder`.
fn sync_all(folder: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(fs::File::open(folder)?)?;
    sync_folder(folder)
}

/// Writes the new name through to the disk. The embedding is complete without it.
fn sync_name(target: &Path) {
    if let Err(error) = sync_folder(parent(target)) {
        tracing::debug!("{} was not synced: {error}", target.display());
    }
}

/// Refuses a target that must stay.
fn check(target: &Path, existing: Existing) -> Result<(), StoreError> {
    if target.file_name().is_none() {
        return Err(StoreError::NoName { path: target.to_owned() });
    }
    if !occupied(target) {
        return Ok(());
    }
    if existing == Existing::Refuse {
        return Err(StoreError::Exists { path: target.to_owned() });
    }
    let keep = |reason: String| Err(StoreError::NotReplaceable { path: target.to_owned(), reason });
    let names = match fs::read_dir(target) {
        Err(error) if error.kind() == ErrorKind::NotADirectory => return keep("it is a file".to_owned()),
        entries => entries
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>, _>>())
            .map_err(StoreError::io("list", target))?,
    };
    if !names.is_empty() && !manifest::is_embedding(target)? {
        return keep("it is no stored embedding (it has no manifest.json of one)".to_owned());
    }
    match names.iter().find(|name| !OWN.iter().any(|own| *name == own)) {
        Some(other) => keep(format!("it also holds {}", Path::new(other).display())),
        None => Ok(()),
    }
}

/// Top-level names of a stored embedding, in any layout.
const OWN: [&str; 7] =
    [manifest::FILE_NAME, "train", "val", "test", "train.safetensors", "val.safetensors", "test.safetensors"];

/// Whether the path exists; a dangling link counts.
fn occupied(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn is_occupied(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory)
}

/// Makes a folder `.NAME.{what}-XXXXXX` beside `target`, with the default permissions of new folders.
fn beside(target: &Path, what: &str, needed: u64) -> Result<TempDir, StoreError> {
    let parent = parent(target);
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.{what}-");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o777));
    }
    builder.tempdir_in(parent).map_err(StoreError::write(parent, target, needed))
}

fn parent(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
