//! The two number types that rows are stored in.

use crate::lanes::LANES;
use half::bf16;
use sealed::Widen;

/// A number of a row: `f32`, or `bf16`, which takes half of the memory.
///
/// A fit widens numbers as it loads them and computes in `f32`: it has the bits of a fit on the same numbers stored as
/// `f32`.
pub trait Element: Widen {}

impl Element for f32 {}

impl Element for bf16 {}

mod sealed {
    use super::LANES;

    pub trait Widen: Copy + Default + PartialEq + std::fmt::Debug + Send + Sync + 'static {
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

impl Widen for bf16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        // Two instructions for a whole vector, while half's own conversion looks for undefined values first.
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn widen(lanes: &[bf16; LANES]) -> [f32; LANES] {
        lanes.map(Widen::to_f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bf16_widens_to_its_own_value() {
        for bits in 0..=u16::MAX {
            let number = bf16::from_bits(bits);
            let wide = Widen::to_f32(number);
            assert!(wide.to_bits() == f32::from(number).to_bits() || (wide.is_nan() && number.is_nan()), "{bits:#x}");
        }
    }
}
