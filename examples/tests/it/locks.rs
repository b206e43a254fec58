//! A run and its cache on a file system without locks: a library that is loaded first lets `flock` fail.

use crate::{TINY, folder_of, search, stderr};
use std::process::Command;

const FLOCK: &str = "
#include <errno.h>
#include <stdlib.h>
int flock(int file, int operation) { errno = atoi(getenv(\"FLOCK_ERROR\")); return -1; }
";

#[test]
fn a_run_on_a_file_system_without_locks_gets_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("flock.c"), folder.path().join("flock.so"));
    std::fs::write(&source, FLOCK).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap();
    assert!(built.success(), "a C compiler is needed, as for linking Rust");
    // ENOLCK, EOPNOTSUPP and ENOSYS of Linux.
    for error in ["37", "95", "38"] {
        let mut command = search();
        command.args(TINY).args(["--limit", "1", "--json", "--runs"]).arg(folder.path().join(error));
        let output = command.env("LD_PRELOAD", &library).env("FLOCK_ERROR", error).output().unwrap();
        let log = std::fs::read_to_string(folder_of(&output).join("log.txt")).unwrap();
        assert!(log.contains("has no locks"), "{error}: the warning comes before there is a log: {log}");
        assert_eq!(stderr(&output).matches("has no locks").count(), 1, "{error}: {}", stderr(&output));
    }
}
