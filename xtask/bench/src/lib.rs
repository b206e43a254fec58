//! What `cargo xtask bench` times: encoders and classifiers on any engine.
//!
//! The programs of this package measure device `cpu` and build without burn; `examples/examples/bench_devices.rs` measures
//! the other devices with the same functions. Each prints a JSON object a line, which xtask makes tables of.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "clock: seconds are what is asked for, nothing is decided by them")]

mod classifier;
mod net;
mod peak;
mod process;
mod rows;
mod split;
mod workload;

pub use net::{NetRecord, measure};
pub use peak::peak_gflops;
pub use process::{peak_bytes, processor_seconds};
pub use split::{SplitRecord, split};
pub use workload::Workload;

use std::time::Instant;

/// The result of a function and the seconds it took.
pub(crate) fn timed<T>(function: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = function();
    (result, start.elapsed().as_secs_f64())
}
