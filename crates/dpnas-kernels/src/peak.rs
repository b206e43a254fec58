//! Peak operations of a core at a level, for benchmarks.

use crate::Precision;
use crate::kernel::Compute;
use crate::level::Level;
use half::bf16;
use std::hint::black_box;

/// Multiplies and adds numbers in registers, on this thread, and returns the number of floating-point operations: 2 for
/// each multiply-add. Their rate is the upper bound for direct convolution at this level.
#[doc(hidden)]
pub fn peak_operations(level: Level, precision: Precision, rounds: usize) -> u64 {
    match precision {
        Precision::F32 => operations::<f32>(level, rounds),
        Precision::Bf16 => operations::<bf16>(level, rounds),
    }
}

fn operations<E: Compute>(level: Level, rounds: usize) -> u64 {
    black_box(E::peak(level, rounds));
    2 * (rounds * E::peak_products(level)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<E: Compute>(precision: Precision) {
        for level in Level::available(precision) {
            // Each product is an eighth, so every lane of every sum counts rounds and steps.
            let (rounds, operations) = (64, peak_operations(level, precision, 64));
            assert_eq!(f64::from(E::peak(level, rounds)), operations as f64 / 16.0, "{level} {precision}");
        }
    }

    #[test]
    fn the_operations_that_are_counted_are_done() {
        check::<f32>(Precision::F32);
        check::<bf16>(Precision::Bf16);
    }
}
