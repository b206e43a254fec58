//! The peak of the processor.

use crate::timed;
use dpnas_kernels::{Level, Precision, peak_operations};
use std::num::NonZeroUsize;

/// About the seconds of one run: less than a time slice, so that some runs have the core to themselves.
const SECONDS: f64 = 0.002;
const RUNS: usize = 50;

/// Operations on numbers in registers, of all threads together, in 10⁹ a second.
///
/// The best of many short runs counts, because other work on the machine only slows a run down.
pub fn peak_gflops(level: Level, precision: Precision, threads: NonZeroUsize) -> f64 {
    let mut rounds = 1 << 10;
    while timed(|| peak_operations(level, precision, rounds)).1 < SECONDS && rounds < 1 << 40 {
        rounds *= 2;
    }
    let rate = || {
        let (operations, seconds) = timed(|| peak_operations(level, precision, rounds));
        1e-9 * operations as f64 / seconds
    };
    let best = || (0..RUNS).map(|_| rate()).fold(0.0, f64::max);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.get()).map(|_| scope.spawn(best)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_a_peak_of_a_billion_operations_at_least() {
        for precision in [Precision::F32, Precision::Bf16] {
            for level in Level::available(precision) {
                let peak = peak_gflops(level, precision, NonZeroUsize::MIN);
                assert!((0.5..1e5).contains(&peak), "{level} {precision}: {peak}");
            }
        }
    }
}
