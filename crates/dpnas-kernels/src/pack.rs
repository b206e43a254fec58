//! Weights in the order in which the kernels read them.

use crate::buffer::Buffer;
use crate::kernel::Compute;
use crate::layout::CHANNEL_BLOCK;
use crate::level::Level;
use dpnas_grammar::ConvShape;
use dpnas_prior::ConvWeights;
use rayon::prelude::*;

/// The first of the numbers that a step multiplies: a place of the kernel's window, and a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tap {
    pub(crate) y: usize,
    pub(crate) x: usize,
    pub(crate) channel: usize,
}

/// A convolution's weights in panels of output channels, each `[step][channel][number of the step]`.
#[derive(Debug)]
pub(crate) struct Packed<E> {
    taps: Vec<Tap>,
    weights: Buffer<E>,
    channels: usize,
}

/// Whether the pixels of the input are stored without padding between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pixels {
    /// A row of the window is one run of numbers.
    Dense,
    /// Each pixel is a run of numbers.
    Padded,
}

impl<E: Compute> Packed<E> {
    /// Packs weights for an input with such pixels.
    pub(crate) fn new(level: Level, weights: &ConvWeights, pixels: Pixels) -> Self {
        let shape = weights.shape();
        let taps = taps(shape, pixels, E::STEP);
        let out = shape.out_channels as usize;
        let channels = out.next_multiple_of(CHANNEL_BLOCK);
        let mut packed = Buffer::zeros(channels * taps.len() * E::STEP);
        let shapes = E::shapes(level);
        let mut rest = packed.as_mut_slice();
        let mut panels = Vec::new();
        for (first, width) in shapes.panels(channels) {
            let (panel, others) = rest.split_at_mut(width * taps.len() * E::STEP);
            panels.push((first, width, panel));
            rest = others;
        }
        let kernel = shape.kernel as usize;
        let values = weights.values();
        let per_out = shape.in_channels as usize * kernel * kernel;
        panels.into_par_iter().for_each(|(first, width, panel)| {
            for channel in 0..width.min(out.saturating_sub(first)) {
                let weights = &values[(first + channel) * per_out..][..per_out];
                for (step, tap) in taps.iter().enumerate() {
                    for (number, tap) in numbers(*tap, shape, pixels, E::STEP).enumerate() {
                        let weight = weights[(tap.channel * kernel + tap.y) * kernel + tap.x];
                        panel[(step * width + channel) * E::STEP + number] = E::from_f32(weight);
                    }
                }
            }
        });
        Self { taps, weights: packed, channels }
    }

    /// The first number of each step.
    pub(crate) fn taps(&self) -> &[Tap] {
        &self.taps
    }

    /// Whether there are weights for so many steps and stored output channels.
    pub(crate) fn covers(&self, steps: usize, channels: usize) -> bool {
        steps == self.taps.len()
            && channels == self.channels
            && self.weights.as_slice().len() == steps * channels * E::STEP
    }

    /// The weights from a panel's first channel on.
    pub(crate) fn panel(&self, first: usize) -> &[E] {
        &self.weights.as_slice()[first * self.taps.len() * E::STEP..]
    }
}

/// The steps of a window, row by row.
fn taps(shape: &ConvShape, pixels: Pixels, step: usize) -> Vec<Tap> {
    let (kernel, channels) = (shape.kernel as usize, shape.in_channels as usize);
    let mut taps = Vec::new();
    for y in 0..kernel {
        match pixels {
            Pixels::Dense => {
                let run = (0..kernel * channels).step_by(step);
                taps.extend(run.map(|at| Tap { y, x: at / channels, channel: at % channels }));
            }
            Pixels::Padded => {
                for x in 0..kernel {
                    taps.extend((0..channels).step_by(step).map(|channel| Tap { y, x, channel }));
                }
            }
        }
    }
    taps
}

/// The numbers that have a weight among those of a step; what follows the last one meets a zero.
fn numbers(tap: Tap, shape: &ConvShape, pixels: Pixels, step: usize) -> impl Iterator<Item = Tap> {
    let (kernel, channels) = (shape.kernel as usize, shape.in_channels as usize);
    let start = tap.x * channels + tap.channel;
    let end = match pixels {
        Pixels::Dense => kernel * channels,
        Pixels::Padded => (tap.x + 1) * channels,
    };
    (start..end.min(start + step)).map(move |at| Tap { y: tap.y, x: at / channels, channel: at % channels })
}
