//! The two number types of rows.

use crate::lanes::LANES;
use bytemuck::{Pod, Zeroable};
use sealed::Widen;
use std::fmt;

/// A number of a row: `f32`, or [`Bf16`] in half of the memory.
///
/// A fit widens numbers as it loads them and computes in `f32`. Its result has the same bits as a fit on the same
/// numbers stored as `f32`.
pub trait Element: Widen {}

impl Element for f32 {}

impl Element for Bf16 {}

/// A bfloat16: the upper half of the bits of an `f32`.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bf16(u16);

impl Bf16 {
    /// The number with these bits.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// The upper half of the bits of `value`, which is the same number if the lower half is zero.
    pub const fn from_upper_half(value: f32) -> Self {
        Self((value.to_bits() >> 16) as u16)
    }

    /// The number as `f32`, without rounding.
    #[inline(always)]
    pub const fn to_f32(self) -> f32 {
        f32::from_bits((self.0 as u32) << 16)
    }

    /// The numbers with these bits.
    pub fn from_bits_slice(bits: &[u16]) -> &[Self] {
        bytemuck::cast_slice(bits)
    }

    /// The bits of some numbers, to be written.
    pub fn bits_mut(numbers: &mut [Self]) -> &mut [u16] {
        bytemuck::cast_slice_mut(numbers)
    }
}

impl fmt::Debug for Bf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_f32().fmt(f)
    }
}

mod sealed {
    use super::LANES;

    pub trait Widen: Copy + Default + std::fmt::Debug + Send + Sync + 'static {
        fn to_f32(self) -> f32;
        fn widen(lanes: &[Self; LANES]) -> [f32; LANES];
    }
}

impl Widen for f32 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn widen(lanes: &[f32; LANES]) -> [f32; LANES] {
        *lanes
    }
}

impl Widen for Bf16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        Self::to_f32(self)
    }

    #[inline(always)]
    fn widen(lanes: &[Bf16; LANES]) -> [f32; LANES] {
        lanes.map(Self::to_f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_become_numbers_and_bits_again() {
        let bits = [0x3f80, 0xc000, 0x0001, 0x7f80];
        let numbers = Bf16::from_bits_slice(&bits);
        assert_eq!(numbers.iter().map(|x| x.to_f32()).collect::<Vec<_>>(), [1.0, -2.0, 9.183_55e-41, f32::INFINITY]);
        assert_eq!(Bf16::bits_mut(&mut numbers.to_vec()), bits);
        assert_eq!(Bf16::from_upper_half(-2.007_812_5).to_f32(), -2.0);
        assert_eq!(format!("{:?} {}", numbers[1], Bf16::from_bits(7).to_bits()), "-2.0 7");
    }
}
