//! Instructions for integer dot products.

#[cfg(target_arch = "x86_64")]
use super::x86;
use super::{Tile, portable};

/// Instructions that this processor has. All give the same sums.
///
/// Only [`Level::usable`] makes one, so the instructions of any level can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
}

impl Level {
    /// The levels of this processor, the fastest last.
    pub(crate) fn usable() -> Vec<Self> {
        #[allow(unused_mut, reason = "other processors have no further level")]
        let mut levels = vec![Self(Kind::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                levels.push(Self(Kind::Avx2));
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                levels.push(Self(Kind::Avx512Vnni));
            }
        }
        levels
    }

    /// The fastest level of this processor.
    pub(crate) fn best() -> Self {
        Self::usable().pop().unwrap_or(Self(Kind::Portable))
    }

    /// Products of the strip at feature `first` of panel `a` with panel `b`, summed over their pairs.
    #[allow(unsafe_code, reason = "calls of functions for detected instructions")]
    pub(crate) fn tile(self, a: &[i32], first: usize, b: &[i32], tile: &mut Tile) {
        match self.0 {
            Kind::Portable => portable::tile(a, first, b, tile),
            // SAFETY: the level was made where the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { x86::avx2(a, first, b, tile) },
            // SAFETY: the level was made where the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => unsafe { x86::avx512_vnni(a, first, b, tile) },
        }
    }
}
