//! Sixteen fixed lanes: the order in which sums over features run, whatever the width of the processor's vectors.

/// Number of lanes.
pub(crate) const LANES: usize = 16;

/// Rows that lie anywhere in one slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub data: &'a [f32],
    /// Where each row begins.
    pub offsets: &'a [usize],
}

impl<'a> Rows<'a> {
    /// Some values of one row.
    #[inline(always)]
    pub(crate) fn part(&self, row: usize, start: usize, len: usize) -> &'a [f32] {
        &self.data[self.offsets[row] + start..][..len]
    }
}

/// The sum of the lanes, in a fixed tree.
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

/// Fewer values than lanes, and zeros behind them.
#[inline(always)]
pub(crate) fn padded(tail: &[f32]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    lanes[..tail.len()].copy_from_slice(tail);
    lanes
}
