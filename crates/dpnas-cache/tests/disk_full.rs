//! A disk without room: a clear error, and nothing half-written.
//!
//! The test runs its own program again under a file-size limit, which fails writes as a full disk and a quota do.
#![cfg(unix)]

mod common;

use common::{UNLIMITED, files, folder, get, key, open, store};
use dpnas_cache::CacheError;
use std::path::PathBuf;
use std::process::Command;

const FOLDER: &str = "DPNAS_CACHE_TEST_FOLDER";

#[test]
fn a_write_past_the_limit_is_a_full_disk_and_leaves_nothing_behind() {
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        return run_out_of_room(folder);
    }
    let folder = folder();
    // 64 blocks of 512 or 1,024 bytes; without the trap the signal would end the process.
    let limited = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact --nocapture \
                   a_write_past_the_limit_is_a_full_disk_and_leaves_nothing_behind";
    let program = std::env::current_exe().expect("the test's own program");
    let output = Command::new("sh").args(["-c", limited]).arg(program).env(FOLDER, folder.path()).output();
    let output = output.expect("the shell starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(files(&folder).len(), 1, "only the small entry is there");
}

fn run_out_of_room(folder: PathBuf) {
    let cache = open(&folder, UNLIMITED);
    let small = store(&cache, &key(0), 1, &[1.0; 1_000]).expect("a small entry fits");

    // Larger than the write buffer: the push fails, and so does everything after it.
    let mut writer = cache.create(&key(1), 1).expect("the entry is created");
    let error = writer.push(&vec![1.0; 1_000_000]).expect_err("there is no room");
    assert!(matches!(&error, CacheError::DiskFull { path, needed: 4_000_000.., .. } if *path == folder), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("free space there, choose a cache folder on another disk"), "{text}");
    assert_eq!(files(&folder).len(), 1, "the file is removed at once");
    assert!(matches!(writer.push(&[1.0]), Err(CacheError::WriterFailed)));
    assert!(matches!(writer.finish(), Err(CacheError::WriterFailed)));

    // Smaller than the write buffer: only finishing finds out.
    let mut writer = cache.create(&key(1), 1).expect("the entry is created");
    writer.push(&[1.0; 40_000]).expect("the rows are buffered");
    let error = writer.finish().expect_err("there is no room");
    assert!(matches!(&error, CacheError::DiskFull { needed: 160_000.., .. }), "{error:?}");

    assert_eq!(get(&cache, &key(1)), None);
    assert_eq!(get(&cache, &key(0)), Some(small));
}
