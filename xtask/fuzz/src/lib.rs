//! What `cargo xtask fuzz` feeds with damaged input: every reader of the workspace, and pairs of computations that have to agree.
//!
//! A target is one function of the input's bytes. libFuzzer calls it through `xtask/fuzz/libfuzzer`, and
//! `xtask/fuzz/tests/short.rs` with the corpus in `fixtures/fuzz` and changes of it. Both go through [`Target::check`], which
//! also measures memory.

mod agreement;
mod data;
mod memory;
mod run;
mod stored;
mod text;

// The reader of checkpoints lies in a crate that builds burn; it and what it reads into need nothing of burn.
#[allow(dead_code, reason = "a part of it trains")]
#[path = "../../../crates/dpnas-full/src/adam.rs"]
mod adam;
#[allow(dead_code, unreachable_pub, reason = "a part of it writes, and its crate exports names")]
#[path = "../../../crates/dpnas-full/src/checkpoint.rs"]
mod checkpoint;
#[allow(dead_code, reason = "a part of it trains")]
#[path = "../../../crates/dpnas-full/src/model.rs"]
mod model;

use memory::peak;
use std::fmt::Display;
use std::sync::Once;
use tempfile::TempDir;

/// A reader, and how much memory it may take.
#[derive(Debug)]
pub struct Target {
    /// Its name, which is that of its folder in `fixtures/fuzz`.
    pub name: &'static str,
    run: fn(&[u8]) -> Reading,
    /// Bytes of memory for each byte of input.
    times: usize,
    /// Bytes of memory for anything else.
    plus: usize,
    warm: Once,
}

/// The message of a refused input, or that the input was read.
type Reading = Result<(), String>;

/// Memory for each byte of input, unless the format expands.
const TIMES: usize = 10;
/// Memory that does not depend on the input: buffers of files, tables.
const PLUS: usize = 1 << 20;
/// The largest factor by which deflate expands.
const DEFLATE: usize = 1032;
/// What one image may take: `MAX_BYTES` of dpnas-data for its decoder, and again for its numbers and for their copy.
const IMAGE: usize = 3 << 29;

impl Target {
    const fn new(name: &'static str, run: fn(&[u8]) -> Reading) -> Self {
        Self { name, run, times: TIMES, plus: PLUS, warm: Once::new() }
    }

    const fn within(self, times: usize, plus: usize) -> Self {
        Self { times, plus, ..self }
    }

    /// Feeds the target. `Ok` if it read the input, otherwise its message.
    ///
    /// # Errors
    /// The message of the target that refused the input.
    ///
    /// # Panics
    /// If the target panics, finds a disagreement, or takes more memory than it may.
    pub fn check(&self, input: &[u8]) -> Reading {
        // What is made once, such as tables and pools of threads, belongs to no input.
        self.warm.call_once(|| drop((self.run)(b"")));
        let (reading, bytes) = peak(|| (self.run)(input));
        let expands = if input.starts_with(&[0x1f, 0x8b]) { DEFLATE } else { 1 };
        let limit = self.times * expands * input.len() + self.plus;
        assert!(
            bytes <= limit,
            "{} took {bytes} bytes for an input of {}; at most {limit} are allowed",
            self.name,
            input.len()
        );
        reading
    }
}

/// Every target.
pub static TARGETS: [Target; 21] = [
    Target::new("net", text::net),
    Target::new("plan", text::plan),
    Target::new("space", text::space),
    Target::new("settings", text::settings),
    Target::new("idx", data::idx),
    // The set is two files of this content.
    Target::new("cifar", data::cifar).within(2 * TIMES, PLUS),
    Target::new("cifar-archive", data::cifar_archive),
    // A label may be 65,535, and each class has a name.
    Target::new("npy", data::npy).within(2 * TIMES, 8 * PLUS),
    Target::new("image", data::image).within(TIMES, IMAGE),
    Target::new("replay-csv", text::replay_csv),
    Target::new("q-csv", text::q_csv),
    Target::new("journal", run::journal),
    Target::new("rungs", run::rungs),
    // The job lists its draws, at most a million.
    Target::new("scores", run::scores).within(TIMES, 64 * PLUS),
    Target::new("continual", run::continual),
    Target::new("cache-entry", stored::cache_entry),
    Target::new("checkpoint", stored::checkpoint),
    Target::new("stored-embedding", stored::embedding),
    // The solver has its buffers.
    Target::new("statistics", stored::statistics).within(TIMES, 16 * PLUS),
    Target::new("gram", agreement::gram).within(TIMES, 16 * PLUS),
    Target::new("kernels", agreement::kernels).within(TIMES, 64 * PLUS),
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The message of an error, with its causes.
fn refused(error: impl std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message += &format!(": {error}");
        cause = error.source();
    }
    message
}

/// A folder in memory, where the system has one.
fn folder() -> TempDir {
    fn made(error: impl Display) -> TempDir {
        panic!("no folder for the input: {error}")
    }
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap_or_else(made)
}

/// Writes a file of the input.
fn put(path: impl AsRef<std::path::Path>, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("the folder for the input can be written");
}
