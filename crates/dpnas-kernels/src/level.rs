//! Instruction sets of the kernels: detected at run time, or forced by an environment variable.

use crate::Precision;
#[cfg(target_arch = "x86_64")]
use crate::kernel::amx_is_usable;
use std::fmt;

/// The environment variable that forces a level.
pub const LEVEL_VARIABLE: &str = "DPNAS_CPU_LEVEL";

/// A set of instructions that this processor has.
///
/// Safe code can make a level only if this processor has its instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Level(pub(crate) Kind);

/// All levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Plain code, on any processor.
    Portable,
    /// AVX2 and FMA, x86-64.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW and VL, x86-64.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 with products of pairs of bf16, x86-64.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    /// Products of tiles of bf16, and AVX-512 for the rest, x86-64.
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// [`Kind::Amx`] in plain code.
    Tiles,
}

/// A level that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// The variable's value is not a level.
    #[error("{LEVEL_VARIABLE} is `{value}`: use portable, avx2, avx512 or amx, or leave it unset for the best one")]
    Unknown {
        /// The variable's value.
        value: String,
    },
    /// The processor lacks the level's instructions.
    #[error(
        "{LEVEL_VARIABLE} is `{value}`, but this processor does not have those instructions for {precision}: use {usable}"
    )]
    Unsupported {
        /// The variable's value.
        value: String,
        /// The precision.
        precision: Precision,
        /// The processor's levels.
        usable: String,
    },
}

impl Level {
    /// The levels that this processor has for a precision, the fastest first; never empty.
    pub fn available(precision: Precision) -> Vec<Self> {
        let kinds: &[Kind] = match precision {
            #[cfg(target_arch = "x86_64")]
            Precision::F32 => &[Kind::Avx512, Kind::Avx2, Kind::Portable],
            #[cfg(target_arch = "x86_64")]
            Precision::Bf16 => &[Kind::Amx, Kind::Avx512Bf16, Kind::Avx2, Kind::Portable],
            #[cfg(not(target_arch = "x86_64"))]
            _ => &[Kind::Portable],
        };
        kinds.iter().copied().filter(|kind| kind.is_supported()).map(Self).collect()
    }

    /// The fastest level, or the one that the environment variable `DPNAS_CPU_LEVEL` names.
    ///
    /// # Errors
    /// If the variable names no level, or one that this processor lacks.
    pub fn from_environment(precision: Precision) -> Result<Self, LevelError> {
        Self::choose(precision, std::env::var_os(LEVEL_VARIABLE).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The fastest level, or the one named.
    fn choose(precision: Precision, name: Option<String>) -> Result<Self, LevelError> {
        let available = Self::available(precision);
        let best = available.first().copied().unwrap_or(Self(Kind::Portable));
        let Some(value) = name.filter(|name| !name.is_empty()) else { return Ok(best) };
        // `avx512` is short for the AVX-512 level of the precision.
        let named = |level: &&Self| level.to_string().split('-').next() == Some(value.as_str());
        if let Some(level) = available.iter().find(named) {
            return Ok(*level);
        }
        match value.as_str() {
            "portable" | "avx2" | "avx512" | "amx" => {
                let usable = available.iter().map(|level| level.to_string()).collect::<Vec<_>>().join(" or ");
                Err(LevelError::Unsupported { value, precision, usable })
            }
            _ => Err(LevelError::Unknown { value }),
        }
    }

    /// The level of plain code, for any processor.
    pub fn portable() -> Self {
        Self(Kind::Portable)
    }

    /// AMX in plain code, for tests on processors without it.
    #[doc(hidden)]
    pub fn tiles_in_plain_code() -> Self {
        Self(Kind::Tiles)
    }

    pub(crate) fn kind(self) -> Kind {
        self.0
    }
}

impl Kind {
    /// Whether convolutions are products of matrix tiles.
    pub(crate) fn has_tiles(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => true,
            Self::Tiles => true,
            _ => false,
        }
    }

    fn is_supported(self) -> bool {
        match self {
            Self::Portable | Self::Tiles => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => Self::Avx512.is_supported() && is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Self::Avx512Bf16.is_supported() && amx_is_usable(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Bf16 => "avx512-bf16",
            #[cfg(target_arch = "x86_64")]
            Kind::Amx => "amx",
            Kind::Tiles => "tiles",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(name: &str) -> Result<Level, LevelError> {
        Level::choose(Precision::F32, Some(name.to_owned()))
    }

    #[test]
    fn the_fastest_level_is_the_default_and_portable_always_works() {
        for precision in [Precision::F32, Precision::Bf16] {
            let available = Level::available(precision);
            assert_eq!(Level::choose(precision, None), Ok(available[0]));
            assert_eq!(Level::choose(precision, Some(String::new())), Ok(available[0]));
            assert_eq!(Level::choose(precision, Some("portable".into())), Ok(Level::portable()));
        }
    }

    #[test]
    fn every_available_level_can_be_named() {
        for precision in [Precision::F32, Precision::Bf16] {
            for level in Level::available(precision) {
                let name = level.to_string().replace("-bf16", "");
                assert_eq!(Level::choose(precision, Some(name)), Ok(level));
            }
        }
    }

    #[test]
    fn an_unknown_level_is_an_error_that_lists_the_known_ones() {
        let message = choose("sse9").unwrap_err().to_string();
        assert_eq!(
            message,
            "DPNAS_CPU_LEVEL is `sse9`: use portable, avx2, avx512 or amx, or leave it unset for the best one"
        );
    }

    #[test]
    fn a_level_that_the_processor_lacks_is_an_error_that_lists_what_it_has() {
        for name in ["portable", "avx2", "avx512", "amx"] {
            let has = Level::available(Precision::F32).iter().any(|level| level.to_string() == name);
            match choose(name) {
                Ok(level) => assert!(has && level.to_string() == name),
                Err(error) => {
                    assert!(!has, "{error}");
                    assert!(error.to_string().contains("use ") && error.to_string().contains("portable"), "{error}");
                }
            }
        }
    }
}
