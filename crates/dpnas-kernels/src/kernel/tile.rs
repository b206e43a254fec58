//! Inner loops of a direct convolution: tiles of pixels × vectors of channels.

use super::lanes::Lanes;
use crate::scalar::Scalar;

/// One panel of output channels on a group of images.
///
/// The maker guarantees that every window + step lies in its input and every output and skip position in its
/// map, for the panel's channels, and that the scratch memory holds the block with one tile to spare.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a, E> {
    /// Position of each convolution pixel's window in the input; padded for whole tiles.
    pub(crate) windows: &'a [usize],
    /// Position of each step within a window.
    pub(crate) steps: &'a [usize],
    pub(crate) input: *const E,
    /// The panel's weights, `[step][channel][number of the step]`.
    pub(crate) weights: *const E,
    /// Position of each output pixel, for the panel's first channel.
    pub(crate) outputs: &'a [usize],
    pub(crate) output: *mut E,
    /// The skip path's pixel that is added to the products of each convolution pixel.
    pub(crate) skip: Option<(&'a [usize], *const E)>,
    /// Of the panel's channels.
    pub(crate) scale: *const f32,
    pub(crate) shift: *const f32,
    /// Least value of an output: 0 rectifies.
    pub(crate) floor: f32,
    /// Consecutive convolution pixels that are pooled into an output.
    pub(crate) window: usize,
    /// `[pixel of a block][channel]`.
    pub(crate) scratch: *mut f32,
    /// Convolution pixels of a block; a multiple of the window.
    pub(crate) block: usize,
    /// Steps of a block, during which sums stay in registers.
    pub(crate) depth: usize,
}

/// Adds the products of steps `from..to` to a tile that starts at pixel `first`.
///
/// # Safety
/// As [`Lanes`] and [`Job`] say.
#[inline(always)]
unsafe fn accumulate<L: Lanes, const R: usize, const V: usize>(
    sums: &mut [[L::Sums; V]; R],
    job: &Job<'_, L::Scalar>,
    first: usize,
    from: usize,
    to: usize,
) {
    let width = V * L::LANES * L::Scalar::STEP;
    // SAFETY: windows are padded for whole tiles, each window + step lies in the input, `from..to` lies in the steps, and
    // there are weights for each step.
    unsafe {
        let mut windows = [job.input; R];
        for row in 0..R {
            windows[row] = job.input.add(*job.windows.get_unchecked(first + row));
        }
        let mut weights = job.weights.add(from * width);
        for &step in job.steps.get_unchecked(from..to) {
            let mut columns = [L::weights(weights); V];
            for column in 1..V {
                columns[column] = L::weights(weights.add(column * L::LANES * L::Scalar::STEP));
            }
            for row in 0..R {
                let input = L::input(windows[row].add(step));
                for column in 0..V {
                    sums[row][column] = L::multiply_add(sums[row][column], input, columns[column]);
                }
            }
            weights = weights.add(width);
        }
    }
}

/// The sums that a tile starts from: zero, or the skip path.
///
/// # Safety
/// As [`Lanes`] and [`Job`] say.
#[inline(always)]
unsafe fn start<L: Lanes, const R: usize, const V: usize>(job: &Job<'_, L::Scalar>, first: usize) -> [[L::Sums; V]; R] {
    // SAFETY: skip positions are padded for whole tiles and lie in the map.
    unsafe {
        let mut sums = [[L::splat(0.0); V]; R];
        if let Some((positions, map)) = job.skip {
            for row in 0..R {
                let pixel = map.add(*positions.get_unchecked(first + row));
                for column in 0..V {
                    sums[row][column] = L::read(pixel.add(column * L::LANES));
                }
            }
        }
        sums
    }
}

/// Scales, shifts, rectifies and stores output pixel `index`.
///
/// # Safety
/// As [`Lanes`] and [`Job`] say.
#[inline(always)]
unsafe fn finish<L: Lanes, const V: usize>(job: &Job<'_, L::Scalar>, index: usize, sums: &[L::Sums; V]) {
    // SAFETY: scale and shift have the panel's channels, and the output position lies in the map.
    unsafe {
        let floor = L::splat(job.floor);
        let pixel = job.output.add(*job.outputs.get_unchecked(index));
        for column in 0..V {
            let at = column * L::LANES;
            let value = L::affine(sums[column], L::load(job.scale.add(at)), L::load(job.shift.add(at)));
            L::write(pixel.add(at), L::max(floor, value));
        }
    }
}

/// Computes all steps at once and pools windows of `W` pixels in registers. `R` is a multiple of `W` or divides it.
///
/// # Safety
/// As [`Lanes`] and [`Job`] say.
#[inline(always)]
pub(super) unsafe fn direct<L: Lanes, const R: usize, const V: usize, const W: usize>(job: &Job<'_, L::Scalar>) {
    // SAFETY: passed on from the caller.
    unsafe {
        if R >= W {
            for tile in 0..job.outputs.len().div_ceil(R / W) {
                let mut sums = start::<L, R, V>(job, tile * R);
                accumulate::<L, R, V>(&mut sums, job, tile * R, 0, job.steps.len());
                for output in 0..R / W {
                    let mut best = sums[output * W];
                    for row in 1..W {
                        for column in 0..V {
                            best[column] = L::max(best[column], sums[output * W + row][column]);
                        }
                    }
                    let index = tile * (R / W) + output;
                    if index < job.outputs.len() {
                        finish::<L, V>(job, index, &best);
                    }
                }
            }
        } else {
            for index in 0..job.outputs.len() {
                let mut best = [L::splat(f32::NEG_INFINITY); V];
                for part in 0..W / R {
                    let first = index * W + part * R;
                    let mut sums = start::<L, R, V>(job, first);
                    accumulate::<L, R, V>(&mut sums, job, first, 0, job.steps.len());
                    for row in 0..R {
                        for column in 0..V {
                            best[column] = L::max(best[column], sums[row][column]);
                        }
                    }
                }
                finish::<L, V>(job, index, &best);
            }
        }
    }
}

/// Computes blocks of steps on blocks of pixels. The weights of a block stay in the first-level cache, and the sums of
/// a block of pixels are in scratch memory.
///
/// # Safety
/// As [`Lanes`] and [`Job`] say.
#[inline(always)]
pub(super) unsafe fn blocked<L: Lanes, const R: usize, const V: usize>(job: &Job<'_, L::Scalar>) {
    let (pixels, width) = (job.outputs.len() * job.window, V * L::LANES);
    let mut begin = 0;
    while begin < pixels {
        let end = (begin + job.block).min(pixels);
        let mut from = 0;
        loop {
            let to = (from + job.depth).min(job.steps.len());
            let mut tile = begin;
            while tile < end {
                // SAFETY: the scratch memory holds the block with one tile to spare; the rest is as above.
                unsafe {
                    let scratch = job.scratch.add((tile - begin) * width);
                    let mut sums = [[L::splat(0.0); V]; R];
                    if from == 0 {
                        sums = start::<L, R, V>(job, tile);
                    } else {
                        for row in 0..R {
                            for column in 0..V {
                                sums[row][column] = L::load(scratch.add(row * width + column * L::LANES));
                            }
                        }
                    }
                    accumulate::<L, R, V>(&mut sums, job, tile, from, to);
                    for row in 0..R {
                        for column in 0..V {
                            L::store(scratch.add(row * width + column * L::LANES), sums[row][column]);
                        }
                    }
                }
                tile += R;
            }
            from = to;
            if from == job.steps.len() {
                break;
            }
        }
        for index in begin / job.window..end / job.window {
            // SAFETY: the output's window lies in the block.
            unsafe {
                let scratch = job.scratch.add((index * job.window - begin) * width);
                let mut best = [L::splat(0.0); V];
                for column in 0..V {
                    best[column] = L::load(scratch.add(column * L::LANES));
                }
                for row in 1..job.window {
                    for column in 0..V {
                        best[column] = L::max(best[column], L::load(scratch.add(row * width + column * L::LANES)));
                    }
                }
                finish::<L, V>(job, index, &best);
            }
        }
        begin = end;
    }
}
