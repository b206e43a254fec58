//! Loops over whole maps: pooling, rectifying, reducing, copying.

use super::lanes::Lanes;
use crate::layout::Layout;
use std::marker::PhantomData;

/// Input and output of a loop over maps, for a group of images.
///
/// The maker guarantees that both maps hold the images, that pixels are whole blocks of channels, and that scale and shift
/// have the same number of channels. For pooling, the windows lie in the input; otherwise both maps have one size.
#[derive(Clone, Copy)]
pub(crate) struct MapJob<'a, E> {
    pub(crate) input: *const E,
    pub(crate) from: Layout,
    pub(crate) output: *mut E,
    pub(crate) to: Layout,
    pub(crate) images: usize,
    /// Pooling: rows and columns of a window.
    pub(crate) size: usize,
    /// Pooling: rows and columns between windows.
    pub(crate) stride: usize,
    /// Scale and shift of each channel.
    pub(crate) affine: Option<(*const f32, *const f32)>,
    pub(crate) borrowed: PhantomData<&'a mut E>,
}

/// Maps of a group of images, and the same numbers as rows of pixels.
///
/// The maker guarantees that the map holds the images at the places, with whole blocks of channels, that the rows hold all
/// numbers, and that the written side is borrowed for writing.
#[derive(Clone, Copy)]
pub(crate) struct RowsJob<'a, E> {
    pub(crate) map: *mut E,
    pub(crate) layout: Layout,
    /// Position of each pixel of an image.
    pub(crate) places: &'a [usize],
    pub(crate) images: usize,
    /// `[image][channel][pixel]`.
    pub(crate) rows: *mut f32,
}

/// Mean and deviation of each channel of each image of a map.
///
/// The maker guarantees that the map holds the images, with whole blocks of channels, and that means and deviations have
/// room for each stored channel of each image.
#[derive(Clone, Copy)]
pub(crate) struct StatsJob<'a, E> {
    pub(crate) map: *const E,
    pub(crate) layout: Layout,
    pub(crate) images: usize,
    /// `[image][channel]`.
    pub(crate) means: *mut f32,
    /// `[image][channel]`.
    pub(crate) deviations: *mut f32,
    pub(crate) borrowed: PhantomData<&'a mut E>,
}

/// Copies a map to rows of pixels, `[image][channel][pixel]`. −0 becomes 0.
///
/// # Safety
/// As [`Lanes`] and [`RowsJob`] say.
#[inline(always)]
pub(super) unsafe fn emit<L: Lanes, const LANES: usize>(job: &RowsJob<'_, L::Scalar>) {
    let (channels, pixels) = (job.layout.channels, job.places.len());
    for image in 0..job.images {
        // SAFETY: the image lies in the map, and its features in the rows.
        let (map, row) = unsafe { (job.map.add(image * job.layout.image()), job.rows.add(image * pixels * channels)) };
        // Channels are the outer loop, so that a vector of rows is written side by side.
        for first in (0..channels).step_by(LANES) {
            for (block, places) in job.places.chunks(LANES).enumerate() {
                // SAFETY: each place has whole vectors of channels; a channel's pixels of this block lie in its row.
                unsafe {
                    let mut square = [L::splat(0.0); LANES];
                    for (pixel, place) in places.iter().enumerate() {
                        let value = L::read(map.add(place + first));
                        square[pixel] = L::affine(value, L::splat(1.0), L::splat(0.0));
                    }
                    L::transpose(&mut square);
                    for (channel, values) in square.iter().enumerate().take(channels - first) {
                        let to = row.add((first + channel) * pixels + block * LANES);
                        if places.len() == LANES {
                            L::store(to, *values);
                        } else {
                            let mut some = [0.0; LANES];
                            L::store(some.as_mut_ptr(), *values);
                            to.copy_from_nonoverlapping(some.as_ptr(), places.len());
                        }
                    }
                }
            }
        }
    }
}

/// Copies rows of pixels, `[image][channel][pixel]`, to a map. Its further channels become zero.
///
/// # Safety
/// As [`Lanes`] and [`RowsJob`] say.
#[inline(always)]
pub(super) unsafe fn fill<L: Lanes, const LANES: usize>(job: &RowsJob<'_, L::Scalar>) {
    let (channels, pixels) = (job.layout.channels, job.places.len());
    for image in 0..job.images {
        // SAFETY: the image lies in the rows, and its map in the map.
        let (row, map) = unsafe { (job.rows.add(image * pixels * channels), job.map.add(image * job.layout.image())) };
        // Channels are the outer loop, so that a vector of rows is read side by side.
        for first in (0..job.layout.stride).step_by(LANES) {
            for (block, places) in job.places.chunks(LANES).enumerate() {
                // SAFETY: a channel's pixels of this block lie in its row; each place has room for whole vectors.
                unsafe {
                    let mut square = [L::splat(0.0); LANES];
                    for (channel, values) in square.iter_mut().enumerate().take(channels.saturating_sub(first)) {
                        let from = row.add((first + channel) * pixels + block * LANES);
                        if places.len() == LANES {
                            *values = L::load(from);
                        } else {
                            let mut some = [0.0; LANES];
                            some.as_mut_ptr().copy_from_nonoverlapping(from, places.len());
                            *values = L::load(some.as_ptr());
                        }
                    }
                    L::transpose(&mut square);
                    for (place, values) in places.iter().zip(square) {
                        L::write(map.add(place + first), values);
                    }
                }
            }
        }
    }
}

/// The largest of each window.
///
/// # Safety
/// As [`Lanes`] and [`MapJob`] say.
#[inline(always)]
pub(super) unsafe fn pool<L: Lanes>(job: &MapJob<'_, L::Scalar>) {
    let (from, to) = (job.from, job.to);
    for image in 0..job.images {
        for y in 0..to.size {
            for x in 0..to.size {
                let window = from.inside(image, y * job.stride, x * job.stride);
                let pixel = to.inside(image, y, x);
                let mut channel = 0;
                while channel < to.stride {
                    // SAFETY: the window lies in the input, the pixel in the output, both with whole vectors.
                    unsafe {
                        let first = job.input.add(window + channel);
                        let mut best = L::read(first);
                        for dy in 0..job.size {
                            for dx in 0..job.size {
                                best = L::max(best, L::read(first.add(dy * from.row() + dx * from.stride)));
                            }
                        }
                        L::write(job.output.add(pixel + channel), best);
                    }
                    channel += L::LANES;
                }
            }
        }
    }
}

/// Scales, shifts and rectifies every pixel.
///
/// # Safety
/// As [`Lanes`] and [`MapJob`] say.
#[inline(always)]
pub(super) unsafe fn rectify<L: Lanes>(job: &MapJob<'_, L::Scalar>) {
    let (from, to) = (job.from, job.to);
    for image in 0..job.images {
        for y in 0..to.size {
            for x in 0..to.size {
                let (input, output) = (from.inside(image, y, x), to.inside(image, y, x));
                let mut channel = 0;
                while channel < to.stride {
                    // SAFETY: the pixel lies in both maps with whole vectors, and so do the channels in the affine.
                    unsafe {
                        let mut value = L::read(job.input.add(input + channel));
                        if let Some((scale, shift)) = job.affine {
                            value = L::affine(value, L::load(scale.add(channel)), L::load(shift.add(channel)));
                        }
                        L::write(job.output.add(output + channel), L::max(L::splat(0.0), value));
                    }
                    channel += L::LANES;
                }
            }
        }
    }
}

/// Rows of a map that are summed in parallel, so that additions need not wait for each other.
const ROWS: usize = 4;

/// Mean, and sum of squared deviations from it, of each channel of each image: summed in `f32` within a row, in `f64` over
/// rows.
///
/// # Safety
/// As [`Lanes`] and [`StatsJob`] say.
#[inline(always)]
pub(super) unsafe fn stats<L: Lanes, const LANES: usize>(job: &StatsJob<'_, L::Scalar>) {
    let layout = job.layout;
    for image in 0..job.images {
        for channel in (0..layout.channels).step_by(LANES) {
            // SAFETY: the image lies in the map with whole vectors of channels, and so do its means and deviations.
            unsafe {
                let map = job.map.add(layout.inside(image, 0, 0) + channel);
                let place = image * layout.stride + channel;
                let sums = reduce::<L, LANES, false>(map, layout, L::splat(0.0));
                let mean = L::load(sums.map(|sum| (sum / layout.pixels() as f64) as f32).as_ptr());
                let squares = reduce::<L, LANES, true>(map, layout, mean);
                L::store(job.means.add(place), mean);
                L::store(job.deviations.add(place), L::load(squares.map(|sum| sum as f32).as_ptr()));
            }
        }
    }
}

/// Sums over the pixels of a vector of channels, of the values or of their squared deviations from the mean.
#[inline(always)]
unsafe fn reduce<L: Lanes, const LANES: usize, const SQUARES: bool>(
    map: *const L::Scalar,
    layout: Layout,
    mean: L::Sums,
) -> [f64; LANES] {
    let mut sums = [0.0f64; LANES];
    // SAFETY: passed on from the caller: the rows lie in the map.
    unsafe {
        let mut y = 0;
        while y + ROWS <= layout.size {
            reduce_rows::<L, LANES, SQUARES, ROWS>(map.add(y * layout.row()), layout, mean, &mut sums);
            y += ROWS;
        }
        while y < layout.size {
            reduce_rows::<L, LANES, SQUARES, 1>(map.add(y * layout.row()), layout, mean, &mut sums);
            y += 1;
        }
    }
    sums
}

/// Adds the sums of `R` rows, one after the other.
#[inline(always)]
unsafe fn reduce_rows<L: Lanes, const LANES: usize, const SQUARES: bool, const R: usize>(
    map: *const L::Scalar,
    layout: Layout,
    mean: L::Sums,
    sums: &mut [f64; LANES],
) {
    // SAFETY: passed on from the caller.
    unsafe {
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        let mut parts = [zero; R];
        for x in 0..layout.size {
            for (row, part) in parts.iter_mut().enumerate() {
                let mut value = L::read(map.add(row * layout.row() + x * layout.stride));
                if SQUARES {
                    let deviation = L::affine(mean, L::splat(-1.0), value);
                    value = L::affine(deviation, deviation, zero);
                }
                *part = L::affine(value, one, *part);
            }
        }
        for part in parts {
            let mut values = [0.0f32; LANES];
            L::store(values.as_mut_ptr(), part);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += f64::from(value);
            }
        }
    }
}
