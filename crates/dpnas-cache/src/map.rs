//! The only unsafe code: a read-only memory map of a whole file.
#![allow(unsafe_code, reason = "an embedding larger than memory is read through a memory map")]

use std::fs::File;
use std::io;

/// The bytes of a file, read on access. They stay readable after the file is renamed or unlinked; on a
/// network file system only if a cache of this machine did it.
pub(crate) struct Map(memmap2::Mmap);

impl Map {
    /// Maps the whole of `file`, which must be an entry of the cache.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        // SAFETY: a map is sound while nobody changes or truncates the file. Only complete entries are mapped, after
        // their last byte is written. Every cache, in this process and in others, only renames and unlinks complete
        // entries; none writes to or truncates them. Only its matrix has an unnamed file open, and the matrix does not
        // write. The map is read-only and private to this crate. By the contract of `Cache::open`, nobody else writes
        // the entries.
        let map = unsafe { memmap2::Mmap::map(file) }?;
        Ok(Self(map))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
