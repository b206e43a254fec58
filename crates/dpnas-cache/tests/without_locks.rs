//! A file system without locks, as some network file systems: a library that is loaded first lets `flock` fail.
#![cfg(target_os = "linux")]

mod common;

use common::{UNLIMITED, files, folder, get, key, open, store};
use rustix::io::Errno;
use std::process::Command;

const FOLDER: &str = "DPNAS_CACHE_TEST_FOLDER";
const FLOCK: &str = "
#include <errno.h>
#include <stdlib.h>
int flock(int file, int operation) { errno = atoi(getenv(\"FLOCK_ERROR\")); return -1; }
";

#[test]
fn a_folder_without_locks_is_used_and_swept() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let cache = open(&folder, UNLIMITED);
        store(&cache, &key(0), 1, &[1.0, 2.0]).unwrap();
        assert_eq!(get(&cache, &key(0)).unwrap().values::<f32>().unwrap(), [1.0, 2.0]);
        return;
    }
    let tools = folder();
    let (source, library) = (tools.path().join("flock.c"), tools.path().join("flock.so"));
    std::fs::write(&source, FLOCK).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap();
    assert!(built.success(), "a C compiler is needed, as for linking Rust");
    for error in [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS].map(Errno::raw_os_error) {
        let folder = folder();
        let abandoned = folder.path().join("writing-x.part");
        std::fs::write(&abandoned, "rows").unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "a_folder_without_locks_is_used_and_swept"]).env(FOLDER, folder.path());
        let output = child.env("LD_PRELOAD", &library).env("FLOCK_ERROR", error.to_string()).output().unwrap();
        assert!(output.status.success(), "{error}: {}", String::from_utf8_lossy(&output.stdout));
        let left = files(&folder);
        assert!(left.len() == 1 && left[0].ends_with(".embedding"), "{error}: {left:?}");
    }
}
