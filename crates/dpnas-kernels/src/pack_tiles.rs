//! Weights, packed in the order in which products of matrix tiles read them.

use crate::buffer::Buffer;
use crate::kernel::{Compute, PANEL, TILE, tile_numbers};
use crate::layout::CHANNEL_BLOCK;
use crate::pack::{Pixels, Tap};
use dpnas_prior::ConvWeights;
use rayon::prelude::*;

/// Order in which the numbers of a window fill the rows of tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Each row of the window begins a new tile, so tiles can be read directly from the map.
    Rows,
    /// The rows of the window follow each other without a gap, for few channels. Holds the numbers of a row.
    Whole(usize),
}

/// A convolution's weights, in panels of output channels: `[tile][half][place][channel][number]`.
#[derive(Debug)]
pub(crate) struct TileWeights<E> {
    order: Order,
    taps: Vec<Tap>,
    weights: Buffer<E>,
    tiles: usize,
    panels: usize,
}

impl<E: Compute> TileWeights<E> {
    /// Packs weights for an input with these pixels.
    pub(crate) fn new(weights: &ConvWeights, pixels: Pixels) -> Self {
        let shape = weights.shape();
        let (kernel, inputs) = (shape.kernel as usize, shape.in_channels as usize);
        let outputs = shape.out_channels as usize;
        let stride = match pixels {
            Pixels::Dense => inputs,
            Pixels::Padded => inputs.next_multiple_of(CHANNEL_BLOCK),
        };
        let run = kernel * stride;
        let (order, pitch) = match pixels {
            Pixels::Dense => (Order::Whole(run), run),
            Pixels::Padded => (Order::Rows, run.next_multiple_of(tile_numbers::<E>())),
        };
        let tap = |y: usize, at: usize| Tap { y, x: at / stride, channel: at % stride };
        let places = (kernel * pitch).next_multiple_of(tile_numbers::<E>());
        let number = |place: usize| {
            let tap = tap(place / pitch, place % pitch);
            (tap.y < kernel && place % pitch < run && tap.channel < inputs).then_some(tap)
        };
        let taps = match order {
            Order::Whole(_) => (0..kernel).map(|y| tap(y, 0)).collect(),
            Order::Rows => {
                let starts = |y| (0..pitch).step_by(tile_numbers::<E>()).map(move |at| tap(y, at));
                (0..kernel).flat_map(starts).collect()
            }
        };
        let (tiles, panels) = (places / tile_numbers::<E>(), outputs.div_ceil(PANEL));
        let mut packed = Buffer::zeros(panels * tiles * PANEL * tile_numbers::<E>());
        let values = weights.values();
        let panel = PANEL * places;
        packed.as_mut_slice().par_chunks_mut(panel).enumerate().for_each(|(index, panel)| {
            for (half, group) in panel.chunks_exact_mut(TILE * tile_numbers::<E>()).enumerate() {
                let (tile, first) = (half / 2, index * PANEL + half % 2 * TILE);
                for (step, numbers) in group.chunks_exact_mut(TILE * E::STEP).enumerate() {
                    for part in 0..E::STEP {
                        let Some(tap) = number(tile * tile_numbers::<E>() + step * E::STEP + part) else { continue };
                        for column in 0..TILE.min(outputs.saturating_sub(first)) {
                            let out = first + column;
                            let weight = values[((out * inputs + tap.channel) * kernel + tap.y) * kernel + tap.x];
                            numbers[column * E::STEP + part] = E::from_f32(weight);
                        }
                    }
                }
            }
        });
        Self { order, taps, weights: packed, tiles, panels }
    }

    /// Order of the window's numbers.
    pub(crate) fn order(&self) -> Order {
        self.order
    }

    /// The first number of each tile, or of each row of the window with [`Order::Whole`].
    pub(crate) fn taps(&self) -> &[Tap] {
        &self.taps
    }

    /// Tiles of a window.
    pub(crate) fn tiles(&self) -> usize {
        self.tiles
    }

    /// Panels of output channels.
    pub(crate) fn panels(&self) -> usize {
        self.panels
    }

    /// A panel's weights from a tile on.
    pub(crate) fn from(&self, panel: usize, tile: usize) -> &[E] {
        &self.weights.as_slice()[(panel * self.tiles + tile) * PANEL * tile_numbers::<E>()..]
    }
}
