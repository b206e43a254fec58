//! Loops over whole maps: pooling on its own, and the first norm of a residual block.

use super::lanes::Lanes;
use crate::layout::Layout;
use std::marker::PhantomData;

/// One map made from another, for a group of images.
///
/// Whoever makes a job vouches that both maps hold the images, that pixels are whole blocks of channels, and that scale
/// and shift have as many.
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

/// The largest of each window.
///
/// # Safety
/// As [`Lanes`] and [`MapJob`] say.
#[inline(always)]
pub(super) unsafe fn pool<L: Lanes>(job: &MapJob<'_, L::Element>) {
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
pub(super) unsafe fn rectify<L: Lanes>(job: &MapJob<'_, L::Element>) {
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
