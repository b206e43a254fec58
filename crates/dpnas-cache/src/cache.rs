//! The cache: looking up matrices and starting to write them.

use crate::folder::{self, Folder};
use crate::format::{self, Damage};
use crate::{CacheError, DType, Key, Matrix, Writer};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder of matrices with a byte budget, or a cache that keeps nothing.
///
/// Clones share the folder.
#[derive(Clone, Debug)]
pub struct Cache {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Folder(Folder),
    Unnamed(Arc<Path>),
    Memory,
}

impl Cache {
    /// Opens or creates the cache in `folder`, with a budget of `budget` bytes for its entries.
    ///
    /// Several caches and processes may open the same folder; each keeps its own budget. Opening evicts entries down to
    /// the budget, and removes unfinished files of ended processes. If another program keeps the folder locked, this and
    /// storing are left out with a warning, after five seconds. Only caches may write the entries: if anything else
    /// changes or shortens an entry while a matrix of it is in use, its values are undefined, or the system ends the
    /// program (SIGBUS).
    ///
    /// # Errors
    /// [`CacheError::Io`] or [`CacheError::DiskFull`] if the folder cannot be created, locked or listed.
    pub fn open(folder: impl Into<PathBuf>, budget: u64) -> Result<Self, CacheError> {
        Ok(Self { place: Place::Folder(Folder::open(folder.into(), budget)?) })
    }

    /// A cache without a folder. Matrices are in memory, and [`get`](Self::get) always misses.
    pub fn in_memory() -> Self {
        Self { place: Place::Memory }
    }

    /// Same as [`in_memory`](Self::in_memory), with matrices in unnamed files in `folder`. They may be larger than the
    /// memory. The operating system removes a file when its last matrix is dropped or the program ends.
    pub fn in_unnamed_files(folder: impl Into<PathBuf>) -> Self {
        Self { place: Place::Unnamed(folder.into().into()) }
    }

    /// Whether matrices are in files. If so, they may be larger than the memory.
    pub fn is_on_disk(&self) -> bool {
        !matches!(self.place, Place::Memory)
    }

    fn folder(&self) -> Option<&Folder> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Unnamed(_) | Place::Memory => None,
        }
    }

    /// The matrix stored under `key`, if there is one. Marks it as used.
    ///
    /// Every byte is read and checked first, at 1.5 to 4 GiB per second if the file is in memory. A stale, damaged,
    /// truncated or foreign entry is a miss: a warning names it, and its file is removed. (If another process replaces
    /// it at that moment, the replacement may be removed, which costs one computation.)
    ///
    /// # Errors
    /// [`CacheError::Io`] if an entry cannot be opened, read or mapped.
    pub fn get(&self, key: &Key) -> Result<Option<Matrix>, CacheError> {
        let Some(folder) = self.folder() else { return Ok(None) };
        let path = folder.entry_path(key);
        match read(&path, key)? {
            None => Ok(None),
            Some(Ok(matrix)) => Ok(Some(matrix)),
            Some(Err(damage)) => {
                tracing::warn!(path = %path.display(), "a cache entry is not used and removed: {damage}");
                if let Err(error) = folder::remove(&path) {
                    tracing::warn!(path = %path.display(), %error, "cannot remove a damaged cache entry");
                }
                Ok(None)
            }
        }
    }

    /// Starts a matrix with `columns` columns of `f32`. [`Writer::finish`] publishes it under `key` and replaces an
    /// older matrix.
    ///
    /// # Errors
    /// [`CacheError::NoColumns`] if `columns` is 0, [`CacheError::KeyTooLong`] if the key does not fit into a header,
    /// [`CacheError::Io`] or [`CacheError::DiskFull`] if the file cannot be created.
    pub fn create(&self, key: &Key, columns: usize) -> Result<Writer, CacheError> {
        self.create_of(DType::F32, key, columns)
    }

    /// Same as [`create`](Self::create), with a number type. Values that are exact in bf16 take half the space in it.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_of(&self, dtype: DType, key: &Key, columns: usize) -> Result<Writer, CacheError> {
        if columns == 0 {
            return Err(CacheError::NoColumns);
        }
        match &self.place {
            Place::Folder(folder) => Writer::on_disk(folder, key, columns, dtype),
            Place::Unnamed(folder) => Writer::unnamed(folder, columns, dtype),
            Place::Memory => Ok(Writer::in_memory(columns, dtype)),
        }
    }

    /// Bytes of all published entries, at most the budget after every [`Writer::finish`].
    ///
    /// # Errors
    /// [`CacheError::Io`] if the folder cannot be listed.
    pub fn used(&self) -> Result<u64, CacheError> {
        self.folder().map_or(Ok(0), Folder::used)
    }

    /// Removes every published entry. Matrices in use and writers stay valid.
    ///
    /// # Errors
    /// [`CacheError::Io`] if the folder cannot be listed or an entry cannot be removed.
    pub fn clear(&self) -> Result<(), CacheError> {
        self.folder().map_or(Ok(()), Folder::clear)
    }
}

/// Reads and checks an entry; `None` if there is no file.
fn read(path: &Path, key: &Key) -> Result<Option<Result<Matrix, Damage>>, CacheError> {
    // Check before opening and without following links: others may write to a link's target, and opening a pipe waits.
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(metadata) if !metadata.is_file() => return Ok(Some(Err(Damage::NotAFile))),
        metadata => metadata.map_err(CacheError::io("look at the cache entry", path))?,
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(CacheError::io("open the cache entry", path))?,
    };
    let length = file.metadata().map_err(CacheError::io("look at the cache entry", path))?.len();
    match format::check(&file, length, key).map_err(CacheError::io("read the cache entry", path))? {
        Err(damage) => Ok(Some(Err(damage))),
        Ok(layout) => {
            folder::touch(&file, path);
            Ok(Some(Ok(Matrix::in_file(file, layout).map_err(CacheError::io("map the cache entry", path))?)))
        }
    }
}
