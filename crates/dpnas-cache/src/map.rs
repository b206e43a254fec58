//! The only unsafe code: a read-only memory map of a whole file.
#![allow(unsafe_code, reason = "an embedding larger than memory is read through a memory map")]

use std::fs::File;
use std::io;

/// The bytes of a file, read on access. They stay readable after the file was renamed or unlinked.
pub(crate) struct Map(memmap2::Mmap);

impl Map {
    /// Maps the whole of `file`, which must be an entry of the cache.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        // SAFETY: a map is sound while nobody changes or truncates the file beneath it. Only complete entries are
        // mapped, after their last byte was written, and every cache, in this process and in others, leaves complete
        // entries as they are: they are renamed into place and unlinked, never written in place nor truncated. A file
        // without a name is open in its matrix alone, which does not write. The map is read-only and private to this
        // crate. That nobody else writes into the cache's folder is the contract of `Cache::open`.
        let map = unsafe { memmap2::Mmap::map(file) }?;
        Ok(Self(map))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
