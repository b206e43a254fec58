//! Multiply-adds in registers: the peak of a level.

use super::lanes::Lanes;
use crate::scalar::Scalar;
use std::hint::black_box;

/// Repeats multiply-adds of `C` independent sums `rounds` times, with numbers in registers. Returns the sum of all
/// lanes.
///
/// # Safety
/// As [`Lanes`] says.
#[inline(always)]
pub(super) unsafe fn multiply_adds<L: Lanes, const C: usize>(rounds: usize) -> f32 {
    let weights = black_box(vec![L::Scalar::from_f32(0.5); L::LANES * L::Scalar::STEP]);
    let input = black_box([L::Scalar::from_f32(0.25); 2]);
    let mut lanes = vec![0.0; L::LANES];
    // SAFETY: there are weights for each lane, and as many numbers as the longest step has; `lanes` has room for the sums.
    unsafe {
        let (weights, input) = (L::weights(weights.as_ptr()), L::input(input.as_ptr()));
        let mut sums = [L::splat(0.0); C];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = L::multiply_add(*sum, input, weights);
            }
        }
        let mut total = 0.0;
        for sum in sums {
            L::store(lanes.as_mut_ptr(), sum);
            total += lanes.iter().sum::<f32>();
        }
        total
    }
}
