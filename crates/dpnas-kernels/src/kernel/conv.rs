//! Direct convolution. Tables are checked once, arguments at each call.

use super::level::Shape;
use super::tile::Job;
use super::{Compute, Scratch, Shapes};
use crate::level::Level;
use crate::pack::Packed;
use std::marker::PhantomData;

/// Most steps of a convolution that keeps its sums in registers throughout.
const DIRECT_STEPS: usize = 600;
/// Steps of a block of other convolutions. Their weights stay in the first-level cache.
const BLOCK_STEPS: usize = 256;
/// Approximate convolution pixels of a block.
const BLOCK_PIXELS: usize = 192;

/// Windows that a tile may read past the last one.
const SPARE: usize = 16;

/// Positions of a convolution's inputs and outputs, for a group of images.
#[derive(Clone, Debug)]
pub(crate) struct ConvTables {
    /// Position of each convolution pixel's window, image by image.
    pub(crate) windows: Vec<usize>,
    /// Position of each step within a window.
    pub(crate) steps: Vec<usize>,
    /// Position of each output pixel.
    pub(crate) outputs: Vec<usize>,
    /// Position of the skip path's pixel that is added to each convolution pixel's products.
    pub(crate) skip: Option<Vec<usize>>,
    /// Consecutive convolution pixels that are pooled into an output.
    pub(crate) window: usize,
    /// Stored channels of an output pixel.
    pub(crate) channels: usize,
    /// Images of the group.
    pub(crate) images: usize,
}

/// A convolution on groups of images, ready to run.
#[derive(Debug)]
pub(crate) struct ConvKernel<E> {
    level: Level,
    tables: ConvTables,
    panels: Vec<Panel>,
    /// Convolution pixels of a block.
    block: usize,
    /// Least lengths of the maps.
    input_len: usize,
    output_len: usize,
    skip_len: usize,
    scratch_len: usize,
    element: PhantomData<E>,
}

#[derive(Clone, Copy, Debug)]
struct Panel {
    first: usize,
    tile: Tile,
}

#[derive(Clone, Copy, Debug)]
enum Tile {
    Direct(Shape),
    Blocked((usize, usize)),
}

/// The maps of one call.
#[derive(Debug)]
pub(crate) struct ConvCall<'a, E> {
    pub(crate) input: &'a [E],
    pub(crate) skip: &'a [E],
    pub(crate) output: &'a mut [E],
    /// Scale and shift of each channel.
    pub(crate) affine: (&'a [f32], &'a [f32]),
    /// Least value of an output: 0 rectifies.
    pub(crate) floor: f32,
    /// Number of images to compute, the first ones of the group.
    pub(crate) images: usize,
    pub(crate) scratch: &'a mut Scratch,
}

impl<E: Compute> ConvKernel<E> {
    /// Checks the tables and chooses the tiles.
    ///
    /// # Panics
    /// If the tables contradict each other.
    pub(crate) fn new(level: Level, mut tables: ConvTables) -> Self {
        let shapes = E::shapes(level);
        assert!(tables.window > 0 && tables.images > 0, "tables of something");
        assert!(tables.outputs.len().is_multiple_of(tables.images), "as many outputs for each image");
        let pixels = tables.outputs.len() * tables.window;
        assert!(tables.windows.len() == pixels, "a window for each pixel");
        let input_len = largest(&tables.windows) + largest(&tables.steps) + E::STEP;
        pad(&mut tables.windows);
        let skip_len = tables.skip.as_mut().map_or(0, |skip| {
            assert!(skip.len() == pixels, "a skip position for each pixel");
            let len = largest(skip) + tables.channels;
            pad(skip);
            len
        });
        let block = (tables.window * BLOCK_PIXELS.div_ceil(tables.window)).min(pixels);
        let is_direct = tables.steps.len() <= DIRECT_STEPS;
        let panels: Vec<Panel> = shapes
            .panels(tables.channels)
            .map(|(first, channels)| {
                assert!(channels.is_multiple_of(shapes.lanes), "panels of whole vectors");
                Panel { first, tile: shapes.tile(channels / shapes.lanes, tables.window, is_direct) }
            })
            .collect();
        let is_blocked = panels.iter().any(|panel| matches!(panel.tile, Tile::Blocked(_)));
        let widest = shapes.panels(tables.channels).map(|(_, channels)| channels).max().unwrap_or(0);
        let scratch_len = if is_blocked { (block + SPARE) * widest } else { 0 };
        let output_len = largest(&tables.outputs) + tables.channels;
        Self { level, tables, panels, block, input_len, output_len, skip_len, scratch_len, element: PhantomData }
    }

    /// Computes the first images of the group.
    ///
    /// # Panics
    /// If a map, the scale or the shift is too short, or weights are missing.
    pub(crate) fn run(&self, weights: &Packed<E>, call: ConvCall<'_, E>) {
        let tables = &self.tables;
        assert!(weights.covers(tables.steps.len(), tables.channels), "weights for each step");
        assert!(call.input.len() >= self.input_len, "the input holds the group");
        assert!(call.skip.len() >= self.skip_len, "the skip path holds the group");
        assert!(call.output.len() >= self.output_len, "the output holds the group");
        let (scale, shift) = call.affine;
        assert!(
            scale.len() >= tables.channels && shift.len() >= tables.channels,
            "a scale and a shift for each channel"
        );
        assert!(call.images <= tables.images, "no more images than the group has");
        let sums = &mut call.scratch.sums;
        if sums.len() < self.scratch_len {
            sums.resize(self.scratch_len, 0.0);
        }
        let output_count = tables.outputs.len() / tables.images * call.images;
        for panel in &self.panels {
            // SAFETY: `first` is less than `channels`, which the slices' lengths cover.
            let job = unsafe {
                Job {
                    windows: &tables.windows,
                    steps: &tables.steps,
                    input: call.input.as_ptr(),
                    weights: weights.panel(panel.first).as_ptr(),
                    outputs: &tables.outputs[..output_count],
                    output: call.output.as_mut_ptr().add(panel.first),
                    skip: tables.skip.as_ref().map(|skip| (&skip[..], call.skip.as_ptr().add(panel.first))),
                    scale: scale.as_ptr().add(panel.first),
                    shift: shift.as_ptr().add(panel.first),
                    floor: call.floor,
                    window: tables.window,
                    scratch: sums.as_mut_ptr(),
                    block: self.block,
                    depth: BLOCK_STEPS,
                }
            };
            // SAFETY: the largest positions were compared with the slices' lengths above; windows, skip positions and the
            // scratch memory have room for a whole last tile; a level is only made where the processor has its instructions.
            unsafe {
                match panel.tile {
                    Tile::Direct(shape) => E::direct(self.level.kind(), &job, shape),
                    Tile::Blocked(shape) => E::blocked(self.level.kind(), &job, shape),
                }
            }
        }
    }
}

impl Shapes {
    /// The tile for a panel of `vectors` vectors.
    fn tile(&self, vectors: usize, window: usize, fits_registers: bool) -> Tile {
        let plain = self.plain.iter().find(|(_, v)| *v == vectors).copied().unwrap_or(self.plain[0]);
        assert!(plain.1 == vectors, "a tile for each number of vectors");
        let pooled = self.pooled.iter().find(|(_, v, w)| (*v, *w) == (vectors, window));
        match (fits_registers, window, pooled) {
            (true, 1, _) => Tile::Direct((plain.0, plain.1, 1)),
            (true, _, Some(shape)) => Tile::Direct(*shape),
            _ => Tile::Blocked(plain),
        }
    }
}

fn largest(positions: &[usize]) -> usize {
    positions.iter().copied().max().unwrap_or(0)
}

/// Repeats the last position, so that the last tile is whole.
fn pad(positions: &mut Vec<usize>) {
    let last = positions.last().copied().unwrap_or(0);
    positions.extend([last; SPARE]);
}
