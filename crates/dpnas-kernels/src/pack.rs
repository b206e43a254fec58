//! Weights, packed in the order in which kernels read them.

use crate::buffer::Buffer;
use crate::kernel::{Compute, Values, WeightsJob, transform_weights};
use crate::layout::CHANNEL_BLOCK;
use crate::level::Level;
use crate::winograd::WinogradTile;
use dpnas_grammar::ConvShape;
use rayon::prelude::*;

/// Position of a step's first number: a pixel of the kernel's window, and a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tap {
    pub(crate) y: usize,
    pub(crate) x: usize,
    pub(crate) channel: usize,
}

/// A convolution's weights, in panels of output channels: `[step][channel][number of the step]`.
#[derive(Debug)]
pub(crate) struct Packed<E> {
    taps: Vec<Tap>,
    steps: usize,
    weights: Buffer<E>,
    channels: usize,
}

/// How the pixels of an input are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pixels {
    /// Without padding between pixels: a row of the window is one run of numbers.
    Dense,
    /// Padded to whole vectors: each pixel is a run of numbers.
    Padded,
}

impl<E: Compute> Packed<E> {
    /// Packs weights for an input with these pixels.
    pub(crate) fn new(level: Level, (shape, values): (&ConvShape, Values<'_>), pixels: Pixels) -> Self {
        let (kernel, inputs) = (shape.kernel as usize, shape.in_channels as usize);
        let taps = taps(shape, pixels, E::STEP);
        let outputs = shape.out_channels as usize;
        Self::pack(level, taps, outputs, |out, tap, place| {
            for (number, place) in numbers(tap, shape, pixels, E::STEP).zip(place) {
                let (channels, at) = ((out, number.channel), number.y * kernel + number.x);
                *place = E::from_f32(values.at(channels, (outputs, inputs), at, kernel * kernel));
            }
        })
    }

    /// Packs weights of `outputs` channels: `write(output channel, tap, numbers of the step)`.
    pub(crate) fn pack(
        level: Level,
        taps: Vec<Tap>,
        outputs: usize,
        write: impl Fn(usize, Tap, &mut [E]) + Sync,
    ) -> Self {
        let channels = outputs.next_multiple_of(CHANNEL_BLOCK);
        let mut weights = Buffer::zeros(channels * taps.len() * E::STEP);
        let mut panels = Vec::new();
        let mut rest = weights.as_mut_slice();
        for (first, width) in E::shapes(level).panels(channels) {
            let (panel, others) = rest.split_at_mut(width * taps.len() * E::STEP);
            panels.push((first, width, panel));
            rest = others;
        }
        panels.into_par_iter().for_each(|(first, width, panel)| {
            for channel in 0..width.min(outputs.saturating_sub(first)) {
                for (step, tap) in taps.iter().enumerate() {
                    let place = &mut panel[(step * width + channel) * E::STEP..][..E::STEP];
                    write(first + channel, *tap, place);
                }
            }
        });
        Self { steps: taps.len(), taps, weights, channels }
    }

    /// The numbers of a map's pixels as weights, a step for each pixel: `write(panel, first channel, width)`.
    pub(crate) fn pixels(
        level: Level,
        steps: usize,
        channels: usize,
        mut write: impl FnMut(&mut [E], usize, usize),
    ) -> Self {
        let mut weights = Buffer::zeros(channels * steps * E::STEP);
        let mut rest = weights.as_mut_slice();
        for (first, width) in E::shapes(level).panels(channels) {
            let (panel, others) = rest.split_at_mut(width * steps * E::STEP);
            write(panel, first, width);
            rest = others;
        }
        Self { taps: Vec::new(), steps, weights, channels }
    }

    /// The first number of each step.
    pub(crate) fn taps(&self) -> &[Tap] {
        &self.taps
    }

    /// Whether there are weights for `steps` steps and `channels` stored output channels.
    pub(crate) fn covers(&self, steps: usize, channels: usize) -> bool {
        steps == self.steps && channels == self.channels && self.weights.as_slice().len() == steps * channels * E::STEP
    }

    /// The weights from a panel's first channel on.
    pub(crate) fn panel(&self, first: usize) -> &[E] {
        &self.weights.as_slice()[first * self.steps * E::STEP..]
    }
}

/// The transformed weights of a Winograd convolution, part by part of the kernel. Each product is a 1×1 convolution.
pub(crate) fn pack_winograd(level: Level, weights: (&ConvShape, Values<'_>), tile: WinogradTile) -> Vec<Packed<f32>> {
    let places = (0..tile.parts()).flat_map(|y| (0..tile.parts()).map(move |x| (y * tile.part, x * tile.part)));
    places.flat_map(|corner| pack_part(level, weights, tile, corner)).collect()
}

/// Input channels that are transformed by one task.
const TASK_INPUTS: usize = 16;

/// The transformed weights of the kernel's part with this corner.
fn pack_part(
    level: Level,
    (shape, values): (&ConvShape, Values<'_>),
    tile: WinogradTile,
    (y, x): (usize, usize),
) -> Vec<Packed<f32>> {
    let (kernel, inputs, outputs) = (shape.kernel as usize, shape.in_channels as usize, shape.out_channels as usize);
    let channels = outputs.next_multiple_of(CHANNEL_BLOCK);
    let points: Vec<[f64; 5]> = (0..tile.points).map(|point| tile.at_point(point)).collect();
    let mut products: Vec<Buffer<f32>> = (0..tile.square()).map(|_| Buffer::zeros(channels * inputs)).collect();
    let mut tasks = Vec::new();
    for (first, width) in f32::shapes(level).panels(channels) {
        for input in (0..inputs).step_by(TASK_INPUTS) {
            tasks.push(WeightsJob {
                values,
                sizes: (inputs, outputs, kernel),
                corner: (y, x),
                extent: (tile.part.min(kernel - y), tile.part.min(kernel - x)),
                points: &points,
                panel: (first, width),
                input,
                products: Vec::with_capacity(tile.square()),
            });
        }
    }
    for product in &mut products {
        let mut rest = product.as_mut_slice();
        for task in &mut tasks {
            let length = TASK_INPUTS.min(inputs - task.input) * task.panel.1;
            let (own, others) = rest.split_at_mut(length);
            task.products.push(own);
            rest = others;
        }
    }
    tasks.into_par_iter().for_each(|mut task| transform_weights(level, &mut task));
    let taps: Vec<Tap> = (0..inputs).map(|channel| Tap { y: 0, x: 0, channel }).collect();
    products.into_iter().map(|weights| Packed { taps: taps.clone(), steps: inputs, weights, channels }).collect()
}

/// The steps of a window, row by row.
pub(crate) fn taps(shape: &ConvShape, pixels: Pixels, step: usize) -> Vec<Tap> {
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

/// The numbers of a step that have a weight. The others have weight 0.
fn numbers(tap: Tap, shape: &ConvShape, pixels: Pixels, step: usize) -> impl Iterator<Item = Tap> {
    let (kernel, channels) = (shape.kernel as usize, shape.in_channels as usize);
    let start = tap.x * channels + tap.channel;
    let end = match pixels {
        Pixels::Dense => kernel * channels,
        Pixels::Padded => (tap.x + 1) * channels,
    };
    (start..end.min(start + step)).map(move |at| Tap { y: tap.y, x: at / channels, channel: at % channels })
}
