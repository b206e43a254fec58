//! The two number types of stored matrices, and values of either type in memory.

use sealed::Raw;
use serde::{Deserialize, Serialize};
use std::collections::TryReserveError;
use std::fmt;

/// Number type of a stored matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// Single precision, 4 bytes.
    F32,
    /// bfloat16, 2 bytes: the upper half of single precision.
    Bf16,
}

impl DType {
    /// Bytes of one number.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// Whether bytes are aligned and a whole number of values.
    pub(crate) fn fits(self, bytes: &[u8]) -> bool {
        match self {
            Self::F32 => f32::cast(bytes).is_some(),
            Self::Bf16 => u16::cast(bytes).is_some(),
        }
    }

    /// Whether the value is exact in this type.
    pub(crate) fn holds(self, value: f32) -> bool {
        self == Self::F32 || value.to_bits().trailing_zeros() >= 16
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

/// A type for reading a matrix: `f32`, or `u16` for the bits of bf16.
pub trait Stored: Raw {
    /// The number type.
    const DTYPE: DType;
}

impl Stored for f32 {
    const DTYPE: DType = DType::F32;
}

impl Stored for u16 {
    const DTYPE: DType = DType::Bf16;
}

mod sealed {
    pub trait Raw: bytemuck::Pod {
        /// Casts bytes in native order to values; `None` if they are unaligned or not a whole number of values.
        fn cast(bytes: &[u8]) -> Option<&[Self]> {
            bytemuck::try_cast_slice(bytes).ok()
        }

        /// Converts the bits of a bf16.
        fn from_bf16(bits: u16) -> Self;
    }
}

impl Raw for f32 {
    fn from_bf16(bits: u16) -> f32 {
        f32::from_bits(u32::from(bits) << 16)
    }
}

impl Raw for u16 {
    fn from_bf16(bits: u16) -> u16 {
        bits
    }
}

/// Values of either type in memory.
pub(crate) enum Values {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
}

impl Values {
    pub(crate) fn new(dtype: DType) -> Self {
        match dtype {
            DType::F32 => Self::F32(Vec::new()),
            DType::Bf16 => Self::Bf16(Vec::new()),
        }
    }

    pub(crate) fn from_little_endian(dtype: DType, data: &[u8]) -> Self {
        match dtype {
            DType::F32 => Self::F32(data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
            DType::Bf16 => Self::Bf16(data.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect()),
        }
    }

    pub(crate) fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::Bf16(_) => DType::Bf16,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    /// The bytes in native order.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::F32(values) => bytemuck::cast_slice(values),
            Self::Bf16(values) => bytemuck::cast_slice(values),
        }
    }

    /// Reserves room for exactly `more` further values.
    pub(crate) fn reserve_exact(&mut self, more: usize) -> Result<(), TryReserveError> {
        match self {
            Self::F32(values) => values.try_reserve_exact(more),
            Self::Bf16(values) => values.try_reserve_exact(more),
        }
    }

    /// Appends values that are exact in the type, see [`DType::holds`].
    pub(crate) fn append(&mut self, more: &[f32]) -> Result<(), TryReserveError> {
        match self {
            Self::F32(values) => {
                values.try_reserve(more.len())?;
                values.extend_from_slice(more);
            }
            Self::Bf16(values) => {
                values.try_reserve(more.len())?;
                values.extend(more.iter().map(|&value| upper_half(value)));
            }
        }
        Ok(())
    }
}

/// The bf16 bits of a value that is exact in bf16, see [`DType::holds`]. NaNs keep their bits.
pub(crate) fn upper_half(value: f32) -> u16 {
    (value.to_bits() >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bf16_holds_its_own_numbers_and_no_other() {
        for bits in 0..=u16::MAX {
            let value = f32::from_bf16(bits);
            assert!(DType::Bf16.holds(value) && upper_half(value) == bits);
            assert!(!DType::Bf16.holds(f32::from_bits(value.to_bits() | 1)));
        }
        assert!(!DType::Bf16.holds(f32::from_bits(0x3f80_8000)) && DType::F32.holds(f32::MIN_POSITIVE));
    }

    proptest! {
        #[test]
        fn values_are_read_as_little_endian(bits: Vec<u32>) {
            let data: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
            let Values::F32(values) = Values::from_little_endian(DType::F32, &data) else { panic!() };
            prop_assert!(values.into_iter().map(f32::to_bits).eq(bits.iter().copied()));
            let Values::Bf16(values) = Values::from_little_endian(DType::Bf16, &data) else { panic!() };
            let halves = bits.iter().flat_map(|&bits| [bits as u16, (bits >> 16) as u16]);
            prop_assert!(values.into_iter().eq(halves));
        }
    }
}
