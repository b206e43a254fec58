//! The binaries as processes: what a user sees.

mod bad_input;
mod binaries;
#[cfg(target_os = "linux")]
mod browser;
mod continual;
mod continuing;
mod conventional;
mod cudnn;
mod data_sets;
mod embed;
#[path = "../../../crates/dpnas/tests/it/engine.rs"]
mod engine;
mod ensemble;
mod full_training;
#[path = "../../../fixtures/journal.rs"]
mod journal;
#[cfg(target_os = "linux")]
mod locks;
#[cfg(target_os = "linux")]
mod memory;
mod output;
mod paths;
mod reproducible;
mod ridge;
mod score;
#[cfg(unix)]
mod signals;
#[path = "../../../fixtures/skipped.rs"]
mod skipped;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A search of ten architectures on 300 digits, a few seconds long.
const TINY: [&str; 8] = ["--schedule", "1.0:6,0.1:4", "--epochs", "6", "--limit-train", "300", "--seed", "5"];

fn search() -> Command {
    Command::new(env!("CARGO_BIN_EXE_search"))
}

/// Runs a tiny search in `runs` with more arguments and gives its folder.
fn tiny(runs: &Path, arguments: &[&str]) -> PathBuf {
    let output =
        search().args(TINY).arg("--runs").arg(runs).args(["--cache", "off", "--json"]).args(arguments).output();
    folder_of(&output.unwrap())
}

fn folder_of(output: &Output) -> PathBuf {
    assert!(output.status.success(), "{}", stderr(output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    PathBuf::from(json["run"].as_str().unwrap())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn replay_buffer(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("replay_buffer.csv")).unwrap()
}

/// Waits until the file `name` of some folder in `runs` holds a text `times` times, and gives that folder.
#[expect(clippy::disallowed_methods, reason = "clock: a limit to waiting for another process")]
fn wait_for(runs: &Path, name: &str, text: &str, times: usize) -> PathBuf {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(120) {
        for entry in std::fs::read_dir(runs).into_iter().flatten().flatten() {
            let found = std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            if found.matches(text).count() >= times {
                return entry.path();
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no {name} with {times} of {text} in {}", runs.display());
}
