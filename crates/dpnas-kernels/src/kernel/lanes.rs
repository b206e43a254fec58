//! Vector operations of a level.

use crate::scalar::Scalar;

/// Vector operations of one level on one number type.
///
/// # Safety
/// The processor must have the level's instructions, and each function must be inlined into a function compiled for
/// them. Pointers must be valid for the numbers in the function's description, and aligned as single numbers.
pub(super) trait Lanes: Copy {
    /// Number type of maps and weights.
    type Scalar: Scalar;
    /// A vector of `f32` sums.
    type Sums: Copy;
    /// Weights of one step for each lane.
    type Weights: Copy;
    /// The input of one step, the same for each lane.
    type Input: Copy;
    /// Sums of a vector.
    const LANES: usize;

    /// The value in every lane.
    unsafe fn splat(value: f32) -> Self::Sums;
    /// Reads `LANES` sums.
    unsafe fn load(from: *const f32) -> Self::Sums;
    /// Writes `LANES` sums.
    unsafe fn store(to: *mut f32, sums: Self::Sums);
    /// Reads `LANES · STEP` weights.
    unsafe fn weights(from: *const Self::Scalar) -> Self::Weights;
    /// Reads `STEP` numbers.
    unsafe fn input(from: *const Self::Scalar) -> Self::Input;
    /// Adds the products of a step.
    unsafe fn multiply_add(sums: Self::Sums, input: Self::Input, weights: Self::Weights) -> Self::Sums;
    /// `sums · scale + shift`.
    unsafe fn affine(sums: Self::Sums, scale: Self::Sums, shift: Self::Sums) -> Self::Sums;
    /// The larger of each lane; `b` if either is NaN.
    unsafe fn max(a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// Transposes a square of `LANES` vectors.
    unsafe fn transpose(square: &mut [Self::Sums]) {
        let lanes = Self::LANES;
        let mut values = [0.0; 256];
        for (index, sums) in square.iter().enumerate() {
            // SAFETY: a square has at most sixteen vectors of sixteen.
            unsafe { Self::store(values[index * lanes..][..lanes].as_mut_ptr(), *sums) };
        }
        for (index, sums) in square.iter_mut().enumerate() {
            let mut column = [0.0; 16];
            for (lane, value) in column[..lanes].iter_mut().enumerate() {
                *value = values[lane * lanes + index];
            }
            // SAFETY: the column has `LANES` sums.
            *sums = unsafe { Self::load(column.as_ptr()) };
        }
    }
    /// Reads `LANES` stored numbers.
    unsafe fn read(from: *const Self::Scalar) -> Self::Sums;
    /// Writes `LANES` stored numbers, rounded to the nearest.
    unsafe fn write(to: *mut Self::Scalar, sums: Self::Sums);
}
