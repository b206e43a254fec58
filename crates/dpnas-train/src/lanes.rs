//! Sixteen fixed lanes, which fix the order of sums over features for any width of the processor's vectors.

use crate::Element;
use pulp::Simd;

/// Number of lanes.
pub(crate) const LANES: usize = 16;

/// Rows anywhere in one slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a, E> {
    pub data: &'a [E],
    /// The start of each row.
    pub offsets: &'a [usize],
}

impl<'a, E> Rows<'a, E> {
    /// Some values of one row.
    #[inline(always)]
    pub(crate) fn part(&self, row: usize, start: usize, len: usize) -> &'a [E] {
        &self.data[self.offsets[row] + start..][..len]
    }
}

/// The sum of the lanes, added as a fixed tree.
#[inline(always)]
pub(crate) fn reduce(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Fewer values than lanes, padded with zeros.
#[inline(always)]
pub(crate) fn padded<E: Element>(tail: &[E]) -> [E; LANES] {
    let mut lanes = [E::default(); LANES];
    lanes[..tail.len()].copy_from_slice(tail);
    lanes
}

/// Sixteen values in `V` vectors.
#[inline(always)]
pub(crate) fn load<S: Simd, E: Element, const V: usize>(simd: S, lanes: &[E; LANES]) -> [S::f32s; V] {
    let lanes = E::widen(lanes);
    let mut vectors = [simd.splat_f32s(0.0); V];
    vectors.copy_from_slice(S::as_simd_f32s(&lanes).0);
    vectors
}
