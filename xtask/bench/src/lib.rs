//! Times encoders, classifiers and full training on any engine, for `cargo xtask bench`.
//!
//! The program of this package measures device `cpu` and builds without burn; `examples/examples/bench_devices.rs`
//! measures the other devices and full training. Each prints a JSON object for each architecture.
#![allow(clippy::disallowed_methods, reason = "clock: it measures")]

mod measure;
mod peak;
mod training;
mod workload;

pub use measure::{Record, measure};
pub use peak::peak_gflops;
pub use training::{TrainingRate, training_rate};
pub use workload::Workload;

use std::time::Instant;

/// The result of a function and its seconds.
pub(crate) fn timed<T>(function: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = function();
    (result, start.elapsed().as_secs_f64())
}
