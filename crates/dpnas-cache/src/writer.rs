//! Writes and publishes one matrix.

use crate::dtype::Values;
use crate::folder::Folder;
use crate::format::Header;
use crate::lock::Lock;
use crate::stream::EntryStream;
use crate::{CacheError, DType, Key, MAX_HEADER, Matrix};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempPath;

/// An unfinished matrix, made by [`Cache::create`](crate::Cache::create).
///
/// Only [`finish`](Self::finish) publishes it; a dropped writer leaves nothing behind. If two writers have the same
/// key, the entry of the last one to finish stays. The matrices of both are valid.
#[must_use = "a writer that is not finished leaves nothing behind"]
pub struct Writer {
    columns: usize,
    dtype: DType,
    target: Target,
}

enum Target {
    Disk(Pending),
    Unnamed(EntryStream<File>, Arc<Path>),
    Memory(Values),
    Failed,
}

/// An unpublished file. The stream comes first, so that the file is closed before it is removed.
struct Pending {
    stream: EntryStream<File>,
    path: TempPath,
    folder: Folder,
    name: String,
    _lock: Lock,
}

impl Writer {
    /// Reserves memory for further rows if the matrix is in memory.
    ///
    /// # Errors
    /// [`CacheError::OutOfMemory`]; the writer can continue.
    pub fn reserve(&mut self, rows: usize) -> Result<(), CacheError> {
        match &mut self.target {
            Target::Memory(values) => {
                let more = rows.saturating_mul(self.columns);
                let needed = (values.len() as u64).saturating_add(more as u64).saturating_mul(self.dtype.bytes());
                values.reserve_exact(more).map_err(|_| CacheError::OutOfMemory { needed })
            }
            _ => Ok(()),
        }
    }

    /// Appends any number of whole rows.
    ///
    /// # Errors
    /// [`CacheError::PartialRow`] if the values are not whole rows, [`CacheError::Inexact`] if a value is not exact in
    /// the number type; the writer can continue after both. [`CacheError::DiskFull`], [`CacheError::OutOfMemory`] or
    /// [`CacheError::Io`] if the rows cannot be written. The file is then removed, and every later `push` and `finish`
    /// returns [`CacheError::WriterFailed`].
    pub fn push(&mut self, rows: &[f32]) -> Result<(), CacheError> {
        if !rows.len().is_multiple_of(self.columns) {
            return Err(CacheError::PartialRow { values: rows.len(), columns: self.columns });
        }
        if let Some(&value) = rows.iter().find(|&&value| !self.dtype.holds(value)) {
            return Err(CacheError::Inexact { value, dtype: self.dtype });
        }
        let pushed = match &mut self.target {
            Target::Disk(pending) => pending.push(rows),
            Target::Unnamed(stream, folder) => {
                let pushed = stream.push(rows);
                pushed.map_err(CacheError::write("write an embedding in", folder, stream.bytes()))
            }
            Target::Memory(values) => append(values, rows),
            Target::Failed => Err(CacheError::WriterFailed),
        };
        if pushed.is_err() {
            self.target = Target::Failed;
        }
        pushed
    }

    /// Publishes the matrix: syncs its file, evicts the least recently used entries until it fits the budget, and
    /// renames it.
    ///
    /// A matrix larger than the whole budget is returned but not kept, and evicts nothing.
    ///
    /// # Errors
    /// [`CacheError::DiskFull`] or [`CacheError::Io`] if the matrix cannot be written or published,
    /// [`CacheError::WriterFailed`] if a push failed. No file remains then.
    pub fn finish(self) -> Result<Matrix, CacheError> {
        match self.target {
            Target::Disk(pending) => pending.publish(),
            Target::Unnamed(stream, folder) => {
                let bytes = stream.bytes();
                let (file, layout) =
                    stream.finish().map_err(CacheError::write("write an embedding in", &folder, bytes))?;
                Matrix::in_file(file, layout).map_err(CacheError::io("map a file in", &folder))
            }
            Target::Memory(values) => Ok(Matrix::owned(values, self.columns)),
            Target::Failed => Err(CacheError::WriterFailed),
        }
    }

    pub(crate) fn on_disk(folder: &Folder, key: &Key, columns: usize, dtype: DType) -> Result<Self, CacheError> {
        let reserved = Header::reserved(key);
        if reserved > MAX_HEADER {
            return Err(CacheError::KeyTooLong { length: reserved, limit: MAX_HEADER });
        }
        let (file, path, lock) = folder.create_part(reserved as u64)?;
        let stream = EntryStream::start(file, key.clone(), columns, dtype, reserved).map_err(CacheError::write(
            "write a cache entry in",
            folder.path(),
            reserved as u64,
        ))?;
        let pending = Pending { stream, path, folder: folder.clone(), name: Folder::entry_name(key), _lock: lock };
        Ok(Self { columns, dtype, target: Target::Disk(pending) })
    }

    pub(crate) fn unnamed(folder: &Arc<Path>, columns: usize, dtype: DType) -> Result<Self, CacheError> {
        let key = Key::new();
        let reserved = Header::reserved(&key);
        let create = || {
            std::fs::create_dir_all(folder)?;
            EntryStream::start(tempfile::tempfile_in(folder)?, key, columns, dtype, reserved)
        };
        let stream = create().map_err(CacheError::write("write an embedding in", folder, reserved as u64))?;
        Ok(Self { columns, dtype, target: Target::Unnamed(stream, Arc::clone(folder)) })
    }

    pub(crate) fn in_memory(columns: usize, dtype: DType) -> Self {
        Self { columns, dtype, target: Target::Memory(Values::new(dtype)) }
    }
}

impl Pending {
    fn push(&mut self, rows: &[f32]) -> Result<(), CacheError> {
        let pushed = self.stream.push(rows);
        pushed.map_err(CacheError::write("write a cache entry in", self.folder.path(), self.stream.bytes()))
    }

    fn publish(self) -> Result<Matrix, CacheError> {
        let Self { stream, path, folder, name, _lock } = self;
        let bytes = stream.bytes();
        let (file, layout) =
            stream.finish().map_err(CacheError::write("write a cache entry in", folder.path(), bytes))?;
        file.sync_all().map_err(CacheError::write("write a cache entry through to", folder.path(), bytes))?;
        // A second file handle, because the writer's is locked.
        let reader = File::open(&path).map_err(CacheError::io("open the cache entry", &path))?;
        let matrix = Matrix::in_file(reader, layout).map_err(CacheError::io("map the cache entry", &path))?;
        folder.publish(&file, path, &name, bytes)?;
        Ok(matrix)
    }
}

fn append(values: &mut Values, rows: &[f32]) -> Result<(), CacheError> {
    let needed = values.dtype().bytes() * (values.len() as u64 + rows.len() as u64);
    values.append(rows).map_err(|_| CacheError::OutOfMemory { needed })
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let target = match &self.target {
            Target::Disk(pending) => &pending.name,
            Target::Unnamed(..) => "in a file without a name",
            Target::Memory(_) => "in memory",
            Target::Failed => "failed",
        };
        f.debug_struct("Writer").field("columns", &self.columns).field("target", &target).finish()
    }
}
