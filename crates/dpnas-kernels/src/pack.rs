//! Weights, packed in the order in which kernels read them.

use crate::buffer::Buffer;
use crate::kernel::Compute;
use crate::layout::CHANNEL_BLOCK;
use crate::level::Level;
use crate::winograd::{MOST_POINTS, WinogradTile};
use dpnas_grammar::ConvShape;
use dpnas_prior::ConvWeights;
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
    pub(crate) fn new(level: Level, weights: &ConvWeights, pixels: Pixels) -> Self {
        let shape = weights.shape();
        let (kernel, inputs) = (shape.kernel as usize, shape.in_channels as usize);
        let taps = taps(shape, pixels, E::STEP);
        let values = weights.values();
        Self::pack(level, taps, shape.out_channels as usize, |out, tap, place| {
            for (number, place) in numbers(tap, shape, pixels, E::STEP).zip(place) {
                let weight = values[((out * inputs + number.channel) * kernel + number.y) * kernel + number.x];
                *place = E::from_f32(weight);
            }
        })
    }

    /// Packs weights of `outputs` channels: `write(output channel, tap, numbers of the step)`.
    fn pack(level: Level, taps: Vec<Tap>, outputs: usize, write: impl Fn(usize, Tap, &mut [E]) + Sync) -> Self {
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
        Self { taps, weights, channels }
    }

    /// The first number of each step.
    pub(crate) fn taps(&self) -> &[Tap] {
        &self.taps
    }

    /// Whether there are weights for `steps` steps and `channels` stored output channels.
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

/// The transformed weights of a Winograd convolution, part by part of the kernel. Each product is a 1×1 convolution.
pub(crate) fn pack_winograd(level: Level, weights: &ConvWeights, tile: WinogradTile) -> Vec<Packed<f32>> {
    let places = (0..tile.parts()).flat_map(|y| (0..tile.parts()).map(move |x| (y * tile.part, x * tile.part)));
    places.flat_map(|corner| pack_part(level, weights, tile, corner)).collect()
}

/// The transformed weights of the kernel's part with this corner.
fn pack_part(level: Level, weights: &ConvWeights, tile: WinogradTile, (y, x): (usize, usize)) -> Vec<Packed<f32>> {
    let shape = weights.shape();
    let (kernel, inputs) = (shape.kernel as usize, shape.in_channels as usize);
    let (outputs, square) = (shape.out_channels as usize, tile.square());
    let taps: Vec<Tap> = (0..inputs).map(|channel| Tap { y: 0, x: 0, channel }).collect();
    let points: Vec<[f64; 5]> = (0..tile.points).map(|point| tile.at_point(point)).collect();
    let (rows, columns) = (tile.part.min(kernel - y), tile.part.min(kernel - x));
    // [output][input][point]
    let mut transformed = vec![0.0f32; outputs * inputs * square];
    let squares = transformed.par_chunks_mut(square).with_min_len(256);
    squares.zip(weights.values().par_chunks(kernel * kernel)).for_each(|(square, weights)| {
        // Rows first: [row point][column of the part]
        let mut half = [[0.0f64; 5]; MOST_POINTS];
        for (half, powers) in half.iter_mut().zip(&points) {
            for (dy, power) in powers.iter().enumerate().take(rows) {
                let row = &weights[(y + dy) * kernel + x..][..columns];
                half.iter_mut().zip(row).for_each(|(sum, weight)| *sum += power * f64::from(*weight));
            }
        }
        for (half, line) in half.iter().zip(square.chunks_exact_mut(tile.points)) {
            for (place, powers) in line.iter_mut().zip(&points) {
                *place = half.iter().zip(powers).take(columns).map(|(sum, power)| sum * power).sum::<f64>() as f32;
            }
        }
    });
    let product = |index: usize| {
        Packed::pack(level, taps.clone(), outputs, |out, tap, place: &mut [f32]| {
            place[0] = transformed[(out * inputs + tap.channel) * square + index];
        })
    };
    (0..square).map(product).collect()
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
