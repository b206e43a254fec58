//! Number types of maps and weights.

use half::bf16;
use std::fmt;

/// A number type of maps and weights: any bits are a value, and none is more aligned than `f32`.
pub(crate) trait Scalar: Copy + Default + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// Numbers of one multiply-add of a lane.
    const STEP: usize;
    /// Whether a sum is stored without rounding.
    const EXACT: bool;

    fn from_f32(value: f32) -> Self;
    fn to_f32(self) -> f32;
}

impl Scalar for f32 {
    const STEP: usize = 1;
    const EXACT: bool = true;

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

impl Scalar for bf16 {
    const STEP: usize = 2;
    const EXACT: bool = false;

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        // Rounds to nearest even as `half` does, but without a branch. A NaN stays a NaN.
        let bits = value.to_bits();
        let rounded = (bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16) as u16;
        Self::from_bits(if value.is_nan() { (bits >> 16) as u16 | 0x40 } else { rounded })
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        Self::to_f32(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bf16_is_rounded_as_the_crate_half_rounds(bits: u32) {
            let value = f32::from_bits(bits);
            prop_assert_eq!(<bf16 as Scalar>::from_f32(value).to_bits(), bf16::from_f32(value).to_bits());
        }
    }
}
