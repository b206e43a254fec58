//! Convolutions as products of matrix tiles, with checked arguments.

use super::conv::{ConvCall, ConvTables};
use super::matrix_blocks::{Block, Mapped, blocks};
use super::matrix_loops::{Begin, FinishJob, GatherJob, PANEL, ProductJob, SPARE_TILES, TILE, tile_numbers};
use super::{Compute, Scratch, with_tiles};
use crate::layout::CHANNEL_BLOCK;
use crate::level::Level;
use crate::pack_tiles::{Order, TileWeights};
use std::marker::PhantomData;
use std::ops::{Range, RangeInclusive};

/// Approximate bytes of a block's sums, and bounds of its rows.
const BLOCK_BYTES: usize = 768 << 10;
const BLOCK_ROWS: RangeInclusive<usize> = 96..=256;
/// With at least this many bytes of weights, a block has twice as many rows, so that weights are read less often.
const HEAVY_BYTES: usize = 2 << 20;
/// Tiles of weights, 2 KiB each, whose panel stays in the first-level cache, and most tiles that form one block.
const DEPTH: usize = 18;
const WHOLE_DEPTH: usize = 24;
/// Windows are gathered if reading them from the map would fill a smaller share of the tiles.
const FULLEST_LEFT: f64 = 0.65;
/// Windows of larger kernels are gathered if at least this many channels read them …
const WIDE: usize = 256;
/// … and the map is smaller than this, so that tiles would also hold the numbers between the map's rows.
const SMALL_MAP: usize = 14;

/// A convolution on groups of images by products of tiles, ready to run.
#[derive(Debug)]
pub(crate) struct TileConv<E> {
    level: Level,
    channels: usize,
    window: usize,
    images: usize,
    outputs: Vec<usize>,
    skip: Option<Vec<usize>>,
    /// Rows of the block's sums, `window` for each output.
    rows: Vec<usize>,
    blocks: Vec<Block>,
    source: Source,
    /// Byte in a row of each tile of weights.
    offsets: Vec<usize>,
    /// Bytes from one row of a tile to the next.
    pitch: usize,
    /// Tiles of weights of a block.
    depth: usize,
    input_len: usize,
    output_len: usize,
    skip_len: usize,
    sums_len: usize,
    gathered_len: usize,
    element: PhantomData<E>,
}

/// Source of the tiles of windows.
#[derive(Debug)]
enum Source {
    /// The map, at the first window of each tile.
    Map(Vec<usize>),
    /// Rows into which the windows are copied.
    Gathered { windows: Vec<usize>, steps: Vec<usize>, advance: usize, chunks: usize, starts: Vec<usize> },
}

/// Upper bound of one thread's buffers for a convolution, in bytes.
pub(crate) fn tile_scratch_bytes(out_channels: usize) -> usize {
    let panels = out_channels.div_ceil(PANEL).saturating_mul(PANEL * size_of::<f32>());
    let rows = 4 * BLOCK_ROWS.end();
    rows.saturating_mul(panels.saturating_add(WHOLE_DEPTH * 64 + 128))
}

impl<E: Compute> TileConv<E> {
    /// Checks the tables and chooses the source of the windows. `pitch` is the distance between windows of a map's row,
    /// `side` the output pixels of a row.
    ///
    /// # Panics
    /// If the tables contradict each other.
    pub(crate) fn new(
        level: Level,
        tables: ConvTables,
        weights: &TileWeights<E>,
        (pitch, side): (usize, usize),
    ) -> Self {
        let ConvTables { windows, steps, outputs, skip, window, channels, images } = tables;
        assert!(window > 0 && images > 0 && pitch > 0 && side > 0, "tables of something");
        assert!(outputs.len().is_multiple_of(images), "as many outputs for each image");
        assert!(windows.len() == outputs.len() * window, "a window for each pixel");
        assert!(skip.as_ref().is_none_or(|skip| skip.len() == windows.len()), "a skip position for each pixel");
        assert!(steps.len() == weights.taps().len(), "a position for each tap");
        let (numbers, tiles) = (tile_numbers::<E>(), weights.tiles());
        assert!(channels.is_multiple_of(CHANNEL_BLOCK), "whole blocks of channels");
        let panels = weights.panels();
        assert!(panels == channels.div_ceil(PANEL), "a panel for all stored channels");
        let depth = match weights.order() {
            Order::Whole(_) => tiles,
            Order::Rows if tiles <= WHOLE_DEPTH => tiles,
            Order::Rows => tiles.div_ceil(tiles.div_ceil(DEPTH)),
        };
        let largest = |positions: &[usize]| positions.iter().copied().max().unwrap_or(0);
        let is_heavy = panels * PANEL * tiles * numbers * size_of::<E>() >= HEAVY_BYTES;
        let rows = (BLOCK_BYTES / (panels * PANEL * size_of::<f32>())).clamp(*BLOCK_ROWS.start(), *BLOCK_ROWS.end());
        let ranges = blocks(outputs.len(), (side, window), if is_heavy { 2 * rows } else { rows });
        let from_map = match weights.order() {
            Order::Rows => Some(Mapped::new(&windows, &ranges, window, pitch)),
            Order::Whole(_) => None,
        };
        let is_read_often = channels >= WIDE && tiles > depth && side < SMALL_MAP;
        let from_map = from_map.filter(|mapped| mapped.filled() >= FULLEST_LEFT && !is_read_often);
        let skip_len = skip.as_ref().map_or(0, |skip| largest(skip) + channels);
        let output_len = largest(&outputs) + channels;
        let size = size_of::<E>();
        let built = match from_map {
            Some(mapped) => {
                let input_len = largest(&mapped.starts) + (TILE - 1) * pitch + largest(&steps) + numbers;
                let offsets = steps.iter().map(|step| step * size).collect();
                (mapped.rows, mapped.blocks, Source::Map(mapped.starts), offsets, pitch * size, input_len, 0)
            }
            None => {
                let (advance, chunks, spare) = match weights.order() {
                    Order::Rows => (numbers, 1, 0),
                    Order::Whole(run) => (run, run.div_ceil(numbers), numbers),
                };
                // An odd number of cache lines, so that the rows of a tile do not share a set of the cache.
                let pitch = ((depth * numbers + spare) * size).div_ceil(64) | 1;
                let pitch = pitch * 64 / size;
                let input_len = largest(&windows) + largest(&steps) + chunks * numbers;
                let in_block = |range: &Range<usize>| 0..range.len() * window;
                let rows = ranges.iter().flat_map(in_block).collect();
                let mut first = 0;
                let blocks: Vec<Block> = ranges
                    .iter()
                    .map(|outputs| {
                        let tiles = first..first + (outputs.len() * window).div_ceil(TILE);
                        first = tiles.end;
                        Block { outputs: outputs.clone(), tiles }
                    })
                    .collect();
                let tallest = blocks.iter().map(|block| block.tiles.len()).max().unwrap_or(0);
                let gathered_len = (tallest * TILE * pitch * size).div_ceil(size_of::<f32>());
                let offsets = (0..tiles).map(|tile| tile % depth * numbers * size).collect();
                let starts = (0..tallest).map(|tile| tile * TILE * pitch).collect();
                let source = Source::Gathered { windows, steps, advance, chunks, starts };
                (rows, blocks, source, offsets, pitch * size, input_len, gathered_len)
            }
        };
        let (rows, blocks, source, offsets, pitch, input_len, gathered_len) = built;
        let tallest = blocks.iter().map(|block| block.tiles.len()).max().unwrap_or(0);
        let sums_len = panels * (tallest + SPARE_TILES) * TILE * PANEL;
        Self {
            level,
            channels,
            window,
            images,
            outputs,
            skip,
            rows,
            blocks,
            source,
            offsets,
            pitch,
            depth,
            input_len,
            output_len,
            skip_len,
            sums_len,
            gathered_len,
            element: PhantomData,
        }
    }

    /// Length of the input. Tiles may read past the last image.
    pub(crate) fn input_len(&self) -> usize {
        self.input_len
    }

    /// Computes the first images of the group.
    ///
    /// # Panics
    /// If a map, the scale or the shift is too short, or weights are missing.
    pub(crate) fn run(&self, weights: &TileWeights<E>, call: ConvCall<'_, E>) {
        assert!(weights.tiles() == self.offsets.len(), "weights for each tile");
        assert!(weights.panels() == self.channels.div_ceil(PANEL), "weights for each panel");
        assert!(call.input.len() >= self.input_len, "the input holds the group and what is read past it");
        assert!(call.skip.len() >= self.skip_len, "the skip path holds the group");
        assert!(call.output.len() >= self.output_len, "the output holds the group");
        let (scale, shift) = call.affine;
        assert!(scale.len() >= self.channels && shift.len() >= self.channels, "a scale and a shift for each channel");
        assert!(call.images <= self.images, "no more images than the group has");
        // SAFETY: a level is only made where the processor has its instructions; the closure relies on the asserts above.
        unsafe { with_tiles(self.level.kind(), || self.run_blocks(weights, call)) };
    }

    /// See [`run`](Self::run), which checks the arguments and sets up tile registers.
    fn run_blocks(&self, weights: &TileWeights<E>, call: ConvCall<'_, E>) {
        let (scale, shift) = call.affine;
        let count = self.outputs.len() / self.images * call.images;
        let Scratch { transformed, products: [products, _], .. } = call.scratch;
        products.grow(self.sums_len);
        transformed.grow(self.gathered_len);
        let (sums, gathered) = (products.as_mut_slice(), transformed.as_mut_slice().as_mut_ptr().cast::<E>());
        let rows_of_panel = sums.len() / weights.panels() / PANEL * PANEL;
        for block in self.blocks.iter().take_while(|block| block.outputs.start < count) {
            let outputs = block.outputs.start..block.outputs.end.min(count);
            let pixels = outputs.start * self.window..outputs.end * self.window;
            for (index, offsets) in self.offsets.chunks(self.depth).enumerate() {
                let first = index * self.depth;
                // SAFETY: windows, steps and tiles were checked against the input's length when the tables were made, and
                // that length above; gathered rows are as many and as long as the buffer was made for, which nothing else
                // uses meanwhile. A level is only made where the processor has its instructions.
                let (source, starts) = unsafe { self.source(block, pixels.clone(), first, (call.input, gathered)) };
                for panel in 0..weights.panels() {
                    let at = panel * PANEL;
                    let channels = PANEL.min(self.channels - at);
                    let sums = &mut sums[panel * rows_of_panel..][..rows_of_panel];
                    let product = ProductJob {
                        windows: source,
                        starts,
                        pitch: self.pitch,
                        offsets,
                        weights: weights.from(panel, first).as_ptr(),
                        sums: sums.as_mut_ptr(),
                        begin: if first == 0 { Begin::Zero } else { Begin::Earlier },
                        channels,
                    };
                    // SAFETY: as above; the panel has weights for each offset and sums for the tiles and the spare ones, and `run`
                    // has set up the tile registers.
                    unsafe { E::multiply(self.level.kind(), &product) };
                    if first + offsets.len() < self.offsets.len() {
                        continue;
                    }
                    // SAFETY: the panel's first channel is one of the stored channels, which scale, shift, outputs and
                    // skip positions were checked for; rows are those of the block's tiles.
                    unsafe {
                        let skip = self.skip.as_ref();
                        let finish = FinishJob {
                            sums: sums.as_ptr(),
                            rows: &self.rows[pixels.clone()],
                            window: self.window,
                            outputs: &self.outputs[outputs.clone()],
                            output: call.output.as_mut_ptr().add(at),
                            skip: skip.map(|skip| (&skip[pixels.clone()], call.skip.as_ptr().add(at))),
                            scale: scale.as_ptr().add(at),
                            shift: shift.as_ptr().add(at),
                            floor: call.floor,
                            channels,
                        };
                        E::finish(self.level.kind(), &finish);
                    }
                }
            }
        }
    }

    /// Source of a block's tiles, and their first rows. Gathers windows if they are not read from the map.
    ///
    /// # Safety
    /// The input has `input_len` numbers, the gathered rows `gathered_len` sums' room, and the processor the level.
    unsafe fn source(
        &self,
        block: &Block,
        pixels: Range<usize>,
        first: usize,
        (input, gathered): (&[E], *mut E),
    ) -> (*const E, &[usize]) {
        match &self.source {
            Source::Map(starts) => (input.as_ptr(), &starts[block.tiles.clone()]),
            Source::Gathered { windows, steps, advance, chunks, starts } => {
                let steps = match steps.len() == self.offsets.len() {
                    true => &steps[first..(first + self.depth).min(steps.len())],
                    false => &steps[..],
                };
                let pitch = self.pitch / size_of::<E>();
                let job = GatherJob {
                    windows: &windows[pixels],
                    steps,
                    input: input.as_ptr(),
                    rows: gathered,
                    pitch,
                    advance: *advance,
                    chunks: *chunks,
                };
                // SAFETY: passed on from the caller.
                unsafe { E::gather(self.level.kind(), &job) };
                (gathered.cast_const(), &starts[..job.windows.len().div_ceil(TILE)])
            }
        }
    }
}
