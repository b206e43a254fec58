//! What several tests of the cache need.
#![allow(dead_code, reason = "each test uses a part of it")]

use dpnas_cache::{Cache, CacheError, DType, Key, Matrix};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) const UNLIMITED: u64 = u64::MAX;

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

pub(crate) fn open(folder: impl AsRef<Path>, budget: u64) -> Cache {
    Cache::open(folder.as_ref(), budget).expect("the cache opens")
}

/// Keys of one length, so that entries differ in size by their data alone.
pub(crate) fn key(index: usize) -> Key {
    Key::new().with("net", format!("net {index:06}")).with("seed", 7)
}

pub(crate) fn store(cache: &Cache, key: &Key, columns: usize, values: &[f32]) -> Result<Matrix, CacheError> {
    store_as(DType::F32, cache, key, columns, values)
}

pub(crate) fn store_as(
    dtype: DType,
    cache: &Cache,
    key: &Key,
    columns: usize,
    values: &[f32],
) -> Result<Matrix, CacheError> {
    let mut writer = cache.create_of(dtype, key, columns)?;
    writer.push(values)?;
    writer.finish()
}

pub(crate) fn get(cache: &Cache, key: &Key) -> Option<Matrix> {
    cache.get(key).expect("looking up does not fail")
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

pub(crate) fn entry_path(folder: impl AsRef<Path>, key: &Key) -> PathBuf {
    folder.as_ref().join(key.hash() + ".embedding")
}

/// Names of all files but the lock, sorted.
pub(crate) fn files(folder: impl AsRef<Path>) -> Vec<String> {
    let names = fs::read_dir(folder).expect("the folder is there").map(|item| item.expect("an item").file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().expect("a UTF-8 name")).collect();
    names.retain(|name| name != ".lock");
    names.sort_unstable();
    names
}
