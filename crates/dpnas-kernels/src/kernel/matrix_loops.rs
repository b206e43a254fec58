//! Loops around products of matrix tiles: gathering windows into rows, finishing sums, and the products in plain code.

use super::lanes::Lanes;
use crate::scalar::Scalar;

/// Rows and columns of a tile of sums; rows of a tile of weights.
pub(crate) const TILE: usize = 16;
/// Output channels of a panel: two tiles side by side.
pub(crate) const PANEL: usize = 2 * TILE;

/// Tiles of sums that are written past the last one.
pub(crate) const SPARE_TILES: usize = 3;

/// Numbers in a row of a tile of windows: 64 bytes of bf16.
pub(crate) const fn tile_numbers<E: Scalar>() -> usize {
    TILE * E::STEP
}

/// Windows that are copied into rows of numbers.
///
/// The maker guarantees that each window + step + `chunks` tile rows lies in the input, and that the rows have room
/// for them.
#[derive(Clone, Copy)]
pub(crate) struct GatherJob<'a, E> {
    pub(crate) windows: &'a [usize],
    /// Position of each step within a window.
    pub(crate) steps: &'a [usize],
    pub(crate) input: *const E,
    pub(crate) rows: *mut E,
    /// Numbers from one row to the next.
    pub(crate) pitch: usize,
    /// Numbers from one step to the next in a row. A later step overwrites the excess of the earlier one.
    pub(crate) advance: usize,
    /// Tile rows of a step.
    pub(crate) chunks: usize,
}

/// Products of tiles of windows with one panel's weights.
///
/// The maker guarantees that sixteen rows from each start, at each offset, lie in `windows`, that there are weights
/// for each offset, and that the sums have room for the tiles and [`SPARE_TILES`] more.
#[derive(Clone, Copy)]
pub(crate) struct ProductJob<'a, E> {
    pub(crate) windows: *const E,
    /// First number of each tile's first row.
    pub(crate) starts: &'a [usize],
    /// Bytes from one row of a tile to the next.
    pub(crate) pitch: usize,
    /// Byte in a row of each tile of weights.
    pub(crate) offsets: &'a [usize],
    pub(crate) weights: *const E,
    /// `[row][channel of the panel]`.
    pub(crate) sums: *mut f32,
    pub(crate) begin: Begin,
    /// Stored channels of the panel: of one tile, or of two.
    pub(crate) channels: usize,
}

/// Initial value of sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    Zero,
    /// The sums of earlier steps.
    Earlier,
}

/// Sums of a panel, to be finished and stored.
///
/// The maker guarantees that each row lies in the sums, every output and skip position in its map for the panel's
/// channels, that scale and shift have as many, and that the channels are whole vectors of every level.
#[derive(Clone, Copy)]
pub(crate) struct FinishJob<'a, E> {
    pub(crate) sums: *const f32,
    /// Rows that are pooled into outputs, `window` for each.
    pub(crate) rows: &'a [usize],
    pub(crate) window: usize,
    /// Position of each output pixel, for the panel's first channel.
    pub(crate) outputs: &'a [usize],
    pub(crate) output: *mut E,
    /// The skip path's pixel that is added to each row.
    pub(crate) skip: Option<(&'a [usize], *const E)>,
    pub(crate) scale: *const f32,
    pub(crate) shift: *const f32,
    pub(crate) floor: f32,
    /// Stored channels of the panel.
    pub(crate) channels: usize,
}

/// Copies windows into rows.
///
/// # Safety
/// As [`GatherJob`] says.
#[inline(always)]
pub(super) unsafe fn gather<L: Lanes>(job: &GatherJob<'_, L::Scalar>) {
    /// A tile row is 64 bytes, of bf16 as of f32.
    type Half = [u8; 32];
    let halves = job.chunks * tile_numbers::<L::Scalar>() * size_of::<L::Scalar>() / size_of::<Half>();
    for (index, window) in job.windows.iter().enumerate() {
        for (step, position) in job.steps.iter().enumerate() {
            // SAFETY: the caller guarantees both ends; the types have any value and no alignment is assumed.
            unsafe {
                let from = job.input.add(window + position).cast::<Half>();
                let to = job.rows.add(index * job.pitch + step * job.advance).cast::<Half>();
                for half in 0..halves {
                    to.add(half).write_unaligned(from.add(half).read_unaligned());
                }
            }
        }
    }
}

/// Pools, scales, shifts, rectifies and stores a panel's sums.
///
/// # Safety
/// As [`Lanes`] and [`FinishJob`] say.
#[inline(always)]
pub(super) unsafe fn finish<L: Lanes>(job: &FinishJob<'_, L::Scalar>) {
    for (index, output) in job.outputs.iter().enumerate() {
        let mut channel = 0;
        while channel < job.channels {
            // SAFETY: rows, skip positions and outputs lie in their maps, as the caller guarantees.
            unsafe {
                let mut best = L::splat(0.0);
                for place in 0..job.window {
                    let at = index * job.window + place;
                    let mut sums = L::load(job.sums.add(*job.rows.get_unchecked(at) * PANEL + channel));
                    if let Some((positions, map)) = job.skip {
                        let skip = L::read(map.add(*positions.get_unchecked(at) + channel));
                        sums = L::affine(sums, L::splat(1.0), skip);
                    }
                    best = if place == 0 { sums } else { L::max(best, sums) };
                }
                let value = L::affine(best, L::load(job.scale.add(channel)), L::load(job.shift.add(channel)));
                L::write(job.output.add(output + channel), L::max(L::splat(job.floor), value));
            }
            channel += L::LANES;
        }
    }
}

/// The matrix instructions in plain code: products are summed by their place in a step, then added.
///
/// # Safety
/// As [`ProductJob`] says.
pub(super) unsafe fn multiply<E: Scalar>(job: &ProductJob<'_, E>) {
    for (tile, start) in job.starts.iter().enumerate() {
        for row in 0..TILE {
            // SAFETY: the caller guarantees windows, weights and sums.
            unsafe {
                let sums = &mut *job.sums.add((tile * TILE + row) * PANEL).cast::<[f32; PANEL]>();
                if job.begin == Begin::Zero {
                    sums.fill(0.0);
                }
                let mut weights = job.weights;
                for offset in job.offsets {
                    let numbers = job.windows.add(*start).byte_add(row * job.pitch + offset);
                    for (index, half) in sums.chunks_exact_mut(TILE).enumerate() {
                        let first = weights;
                        weights = weights.add(TILE * tile_numbers::<E>());
                        if index * TILE >= job.channels {
                            continue;
                        }
                        let mut parts = [[0.0f32; TILE]; 2];
                        for at in 0..tile_numbers::<E>() {
                            let number = (*numbers.add(at)).to_f32();
                            let column = first.add(at / E::STEP * TILE * E::STEP + at % E::STEP);
                            for (channel, part) in parts[at % E::STEP].iter_mut().enumerate() {
                                *part += number * (*column.add(channel * E::STEP)).to_f32();
                            }
                        }
                        for (channel, sum) in half.iter_mut().enumerate() {
                            *sum += parts[0][channel] + parts[1][channel];
                        }
                    }
                }
            }
        }
    }
}
