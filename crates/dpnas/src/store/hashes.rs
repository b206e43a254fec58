//! Checksums of the files of a stored embedding.

use super::{StoreError, manifest};
use crate::hex::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// SHA-256 by the path within the embedding, with `/` between names.
pub(crate) type Hashes = BTreeMap<String, String>;

/// The checksums of every file below `root` but the manifest.
pub(crate) fn of_folder(root: &Path) -> Result<Hashes, StoreError> {
    let mut hashes = Hashes::new();
    collect(root, "", &mut hashes)?;
    Ok(hashes)
}

fn collect(root: &Path, folder: &str, hashes: &mut Hashes) -> Result<(), StoreError> {
    let path = root.join(folder);
    for entry in fs::read_dir(&path).map_err(StoreError::io("list", &path))? {
        let entry = entry.map_err(StoreError::io("list", &path))?;
        let name = format!("{folder}{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(StoreError::io("look at", &entry.path()))?.is_dir() {
            collect(root, &(name + "/"), hashes)?;
        } else if name != manifest::FILE_NAME {
            let hash = of_file(&entry.path()).map_err(StoreError::io("read", &entry.path()))?;
            hashes.insert(name, hash);
        }
    }
    Ok(())
}

/// Checks the files whose names begin with `prefix`. Files without a checksum are not looked at.
pub(crate) fn check(root: &Path, hashes: &Hashes, prefix: &str) -> Result<(), StoreError> {
    let of_prefix = hashes.iter().filter(|(name, _)| name.starts_with(prefix));
    of_prefix.map(|(name, hash)| (root.join(name), hash)).try_for_each(|(path, hash)| same(&path, hash))
}

/// Checks one file.
pub(crate) fn same(path: &Path, expected: &str) -> Result<(), StoreError> {
    let found = match of_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => "no such file".to_owned(),
        hash => hash.map_err(StoreError::io("read", path))?,
    };
    match found == expected {
        true => Ok(()),
        false => Err(StoreError::damaged(path, format!("the checksum {found}"), expected)),
    }
}

fn of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher) = (BufReader::with_capacity(1 << 16, File::open(path)?), Sha256::new());
    loop {
        let block = file.fill_buf()?;
        if block.is_empty() {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(block);
        let read = block.len();
        file.consume(read);
    }
}
