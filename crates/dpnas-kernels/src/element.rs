//! The two number types that maps and weights are stored in.

use half::bf16;
use std::fmt;

/// A stored number.
pub(crate) trait Element: Copy + Default + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// Numbers that one multiply-add takes at once.
    const STEP: usize;
    /// Whether a sum is stored as it is.
    const EXACT: bool;

    fn from_f32(value: f32) -> Self;
    fn to_f32(self) -> f32;
}

impl Element for f32 {
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

impl Element for bf16 {
    const STEP: usize = 2;
    const EXACT: bool = false;

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        Self::to_f32(self)
    }
}
