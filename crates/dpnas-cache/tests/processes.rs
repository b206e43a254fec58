//! Several processes and threads on one folder, and what a crash leaves behind.
//!
//! Each of these tests runs its own program again, with the folder in the environment, as the other process.

mod common;

use common::{UNLIMITED, files, folder, get, key, open, store};
use dpnas_cache::Cache;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const FOLDER: &str = "DPNAS_CACHE_TEST_FOLDER";
const KEYS: usize = 8;
const ROUNDS: usize = 40;

/// The folder to work on, if this is the other process.
fn folder_of_child() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn spawn(test: &str, folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("the test's own program"));
    command.args(["--exact", test, "--nocapture"]).env(FOLDER, folder).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the other process starts")
}

/// The one matrix that belongs to a key.
fn values(index: usize) -> Vec<f32> {
    (0..500 + 100 * index).map(|i| (i * (index + 1)) as f32).collect()
}

/// Reads and writes in an order of its own, checking every matrix that it gets; returns how many were found.
fn work(cache: &Cache, worker: usize, budget: u64) -> usize {
    let mut hits = 0;
    for round in 0..ROUNDS {
        let index = (round * (2 * worker + 1) + worker) % KEYS;
        let matrix = match get(cache, &key(index)) {
            Some(matrix) => {
                hits += 1;
                matrix
            }
            None => store(cache, &key(index), 1, &values(index)).expect("the entry is published"),
        };
        assert_eq!(matrix.values::<f32>().unwrap(), values(index));
        assert!(cache.used().expect("the folder is listed") <= budget);
    }
    hits
}

#[test]
fn processes_and_threads_share_a_folder_and_its_budget() {
    const BUDGET: u64 = 16_000; // about five of the eight entries
    if let Some(folder) = folder_of_child() {
        work(&open(folder, BUDGET), 2, BUDGET);
        return;
    }
    let folder = folder();
    let mut other = spawn("processes_and_threads_share_a_folder_and_its_budget", folder.path());
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let cache = open(&folder, BUDGET);
            scope.spawn(move || work(&cache, worker, BUDGET));
        }
    });
    assert!(other.wait().expect("the other process ends").success());
    assert!(files(&folder).iter().all(|name| name.ends_with(".embedding")), "{:?}", files(&folder));
    assert!(work(&open(&folder, UNLIMITED), 0, UNLIMITED) > ROUNDS - KEYS, "nothing was kept");
}

#[test]
fn what_one_process_stores_another_gets() {
    if let Some(folder) = folder_of_child() {
        let cache = open(folder, UNLIMITED);
        assert_eq!(get(&cache, &key(0)).expect("the parent's entry").values::<f32>().unwrap(), values(0));
        store(&cache, &key(1), 1, &values(1)).expect("the entry is published");
        return;
    }
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    store(&cache, &key(0), 1, &values(0)).unwrap();
    assert!(spawn("what_one_process_stores_another_gets", folder.path()).wait().unwrap().success());
    assert_eq!(get(&cache, &key(1)).unwrap().values::<f32>().unwrap(), values(1));
}

#[test]
fn of_two_writers_of_one_key_the_last_to_finish_stays_and_both_matrices_are_valid() {
    let folder = folder();
    let (first, second) = (open(&folder, UNLIMITED), open(&folder, UNLIMITED));
    let mut early = first.create(&key(0), 1).unwrap();
    let mut late = second.create(&key(0), 1).unwrap();
    late.push(&[2.0]).unwrap();
    early.push(&[1.0]).unwrap();
    let late = late.finish().unwrap();
    assert_eq!(get(&first, &key(0)), Some(late.clone()));
    let early = early.finish().unwrap();
    assert_eq!(get(&second, &key(0)), Some(early.clone()));
    assert_eq!((early.values::<f32>().unwrap(), late.values::<f32>().unwrap()), (&[1.0][..], &[2.0][..]));
    assert_eq!(files(&folder).len(), 1);
}

#[test]
fn a_crashed_process_publishes_nothing_and_the_next_one_removes_its_file() {
    if let Some(folder) = folder_of_child() {
        let cache = open(folder, UNLIMITED);
        let mut writer = cache.create(&key(0), 1).expect("the entry is created");
        writer.push(&vec![1.0; 1_000_000]).expect("the rows are written");
        std::process::abort();
    }
    let folder = folder();
    let test = "a_crashed_process_publishes_nothing_and_the_next_one_removes_its_file";
    assert!(!spawn(test, folder.path()).wait().unwrap().success());
    let left = files(&folder);
    assert!(left.len() == 1 && left[0].starts_with("writing-"), "{left:?}");

    let cache = open(&folder, UNLIMITED);
    assert_eq!((cache.used().unwrap(), get(&cache, &key(0))), (0, None));
    assert!(files(&folder).is_empty());
}

#[test]
fn the_file_of_a_writer_that_is_still_alive_is_not_swept() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    let mut writer = cache.create(&key(0), 1).unwrap();
    writer.push(&[1.0]).unwrap();
    open(&folder, UNLIMITED);
    writer.push(&[2.0]).unwrap();
    writer.finish().unwrap();
    assert_eq!(get(&cache, &key(0)).unwrap().values::<f32>().unwrap(), [1.0, 2.0]);
}

#[test]
fn a_leaked_writer_publishes_nothing_and_is_in_nobodys_way() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    let mut writer = cache.create(&key(0), 1).unwrap();
    writer.push(&vec![1.0; 1_000_000]).unwrap();
    std::mem::forget(writer);
    let cache = open(&folder, UNLIMITED);
    assert_eq!((cache.used().unwrap(), get(&cache, &key(0))), (0, None));
    store(&cache, &key(0), 1, &[2.0]).unwrap();
    assert_eq!(get(&cache, &key(0)).unwrap().values::<f32>().unwrap(), [2.0]);
}

#[test]
fn a_folder_that_another_program_keeps_locked_is_used_without_storing() {
    let folder = folder();
    store(&open(&folder, UNLIMITED), &key(0), 1, &[1.0]).unwrap();
    let stranger = std::fs::File::open(folder.path().join(".lock")).unwrap();
    stranger.lock().unwrap();
    let cache = open(&folder, UNLIMITED);
    assert_eq!(get(&cache, &key(0)).unwrap().values::<f32>().unwrap(), [1.0]);
    let matrix = store(&cache, &key(1), 1, &[2.0]).unwrap();
    assert_eq!((matrix.values::<f32>().unwrap(), get(&cache, &key(1))), (&[2.0][..], None));
    drop(stranger);
    store(&cache, &key(1), 1, &[2.0]).unwrap();
    assert!(get(&cache, &key(1)).is_some());
}

#[cfg(unix)]
#[test]
fn a_planted_link_or_pipe_in_place_of_the_lock_is_refused() {
    let elsewhere = folder();
    let victim = elsewhere.path().join("victim");
    for plant in ["link", "pipe"] {
        let folder = folder();
        let lock = folder.path().join(".lock");
        match plant {
            "link" => std::os::unix::fs::symlink(&victim, &lock).unwrap(),
            _ => assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success()),
        }
        let error = Cache::open(folder.path(), UNLIMITED).unwrap_err().to_string();
        assert!(error.starts_with("cannot create the lock file in ") && !victim.exists(), "{plant}: {error}");
    }
}
