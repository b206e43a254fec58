//! Winograd convolutions, with checked arguments.

use super::conv::{ConvCall, ConvKernel, ConvTables};
use super::winograd_loops::TileJob;
use super::{Compute, Scratch};
use crate::layout::{CHANNEL_BLOCK, Layout};
use crate::level::Level;
use crate::pack::Packed;
use crate::winograd::{MOST_POINTS, WinogradTile};
use dpnas_grammar::ConvShape;
use std::marker::PhantomData;

/// Approximate bytes of the transformed tiles of a block, and bounds of their number.
const BLOCK_BYTES: usize = 768 << 10;
const BLOCK_TILES: std::ops::RangeInclusive<usize> = 48..=128;
/// With at least this many bytes of weights, blocks are large, so that weights are read less often.
const HEAVY_BYTES: usize = 4 << 20;

/// A convolution of stride 1 on groups of images, ready to run.
#[derive(Debug)]
pub(crate) struct Winograd {
    level: Level,
    tile: WinogradTile,
    from: Layout,
    to: Layout,
    skip: Option<Layout>,
    /// Output pixels of a side, before pooling.
    size: usize,
    /// Pixels of a side of a pooling window, without gaps.
    window: usize,
    /// Tiles of a side.
    side: usize,
    block: usize,
    /// Products of the first part of the kernel, and of later parts, which add to earlier ones.
    products: [ConvKernel<f32>; 2],
}

/// Tiles of a block: as many as fit the cache, or more if there are many weights.
fn block_tiles(tile: WinogradTile, channels: usize, from_stride: usize, to_stride: usize) -> usize {
    let bytes = tile.square() * size_of::<f32>();
    let fitting = match bytes.saturating_mul(channels).saturating_mul(to_stride) {
        weights if weights >= HEAVY_BYTES => *BLOCK_TILES.end(),
        _ => BLOCK_BYTES / (bytes * (from_stride + to_stride)),
    };
    fitting.clamp(*BLOCK_TILES.start(), *BLOCK_TILES.end())
}

/// Bytes of one thread's buffers of tiles, before and after the products.
pub(crate) fn scratch_bytes(tile: WinogradTile, conv: &ConvShape) -> usize {
    let [from, to] = [conv.in_channels, conv.out_channels].map(|n| (n as usize).next_multiple_of(CHANNEL_BLOCK));
    let tiles = block_tiles(tile, conv.in_channels as usize, from, to);
    let buffers = if tile.parts() > 1 { 2 } else { 1 };
    tiles.saturating_mul(tile.square() * size_of::<f32>()).saturating_mul(from.saturating_add(buffers * to))
}

impl Winograd {
    /// Checks the maps: the input's border is the padding; the output has `size` pixels a side before it is pooled.
    ///
    /// # Panics
    /// If they contradict each other, or windows do not divide tiles.
    pub(crate) fn new(
        level: Level,
        tile: WinogradTile,
        (from, to, skip): (Layout, Layout, Option<Layout>),
        (size, window): (usize, usize),
        images: usize,
    ) -> Self {
        assert!((6..=MOST_POINTS).contains(&tile.points) && matches!(tile.part, 3 | 5), "a tile with loops");
        let out = tile.out();
        assert!(from.size + 2 * from.halo + 1 == size + tile.kernel, "the border is the padding");
        assert!(window > 0 && out.is_multiple_of(window) && to.size == size / window, "windows divide tiles");
        for layout in [Some(from), Some(to), skip].into_iter().flatten() {
            assert!(layout.stride.is_multiple_of(CHANNEL_BLOCK), "whole blocks of channels");
        }
        assert!(skip.is_none_or(|skip| skip.size == size && skip.stride == to.stride), "a skip path that fits");
        // Skip tiles that no pooling window needs.
        let side = (to.size * window).div_ceil(out);
        let block = block_tiles(tile, from.channels, from.stride, to.stride).min(images * side * side).max(1);
        let places = |stride: usize| (0..block).map(|tile| tile * stride).collect::<Vec<_>>();
        let products = |adds: bool| {
            let tables = ConvTables {
                windows: places(from.stride),
                steps: (0..from.channels).collect(),
                outputs: places(to.stride),
                skip: adds.then(|| places(to.stride)),
                window: 1,
                channels: to.stride,
                images: block,
            };
            ConvKernel::new(level, tables)
        };
        Self { level, tile, from, to, skip, size, window, side, block, products: [products(false), products(true)] }
    }

    /// Computes the first images of the group with the weights of [`pack_winograd`](crate::pack::pack_winograd).
    ///
    /// # Panics
    /// If a map, the scale or the shift is too short, or weights are missing.
    pub(crate) fn run<E: Compute>(&self, weights: &[Packed<f32>], call: ConvCall<'_, E>) {
        let Self { from, to, .. } = *self;
        let images = call.images;
        assert!(call.input.len() >= images * from.image(), "the input holds the images");
        assert!(call.output.len() >= images * to.image(), "the output holds the images");
        let (scale, shift) = call.affine;
        assert!(scale.len() >= to.stride && shift.len() >= to.stride, "a scale and a shift for each channel");
        assert!(
            self.skip.is_none_or(|skip| call.skip.len() >= images * skip.image()),
            "the skip path holds the images"
        );
        let (square, parts) = (self.tile.square(), self.tile.parts());
        assert!(weights.len() == square * parts * parts, "weights for each product");
        // An odd number of cache lines, so that the products do not share a set of the cache.
        let pitch = |channels: usize| (self.block * channels).next_multiple_of(32) + CHANNEL_BLOCK;
        let (before, after) = (pitch(from.stride), pitch(to.stride));
        let Scratch { sums, transformed, products } = call.scratch;
        transformed.grow(square * before);
        let [products, earlier] = products;
        products.grow(square * after);
        if parts > 1 {
            earlier.grow(square * after);
        }
        let input = TileJob::<E> {
            map: call.input.as_ptr().cast_mut(),
            layout: from,
            skip: None,
            products: transformed.as_mut_slice().as_mut_ptr(),
            pitch: before,
            side: self.side,
            first: 0,
            count: 0,
            points: self.tile.points,
            corner: (0, 0),
            out: self.tile.out(),
            size: self.size,
            window: self.window,
            scale: scale.as_ptr(),
            shift: shift.as_ptr(),
            floor: call.floor,
            borrowed: PhantomData,
        };
        let output = TileJob {
            map: call.output.as_mut_ptr(),
            layout: to,
            skip: self.skip.map(|layout| (call.skip.as_ptr(), layout)),
            products: products.as_mut_slice().as_mut_ptr(),
            pitch: after,
            ..input
        };
        let identity = (&vec![1.0; to.stride][..], &vec![0.0; to.stride][..]);
        let tiles = images * self.side * self.side;
        for first in (0..tiles).step_by(self.block) {
            let count = self.block.min(tiles - first);
            for (part, weights) in weights.chunks_exact(square).enumerate() {
                let corner = (part / parts * self.tile.part, part % parts * self.tile.part);
                // Make a new pointer for each transform, because borrows in between invalidate earlier ones.
                let place = transformed.as_mut_slice().as_mut_ptr();
                let job = TileJob { first, count, corner, products: place, ..input };
                // SAFETY: the maps hold the images of the tiles, the buffers the points' numbers of the block, as checked
                // above; a level is only made where the processor has its instructions. The input is only read.
                unsafe { E::transform_input(self.level.kind(), &job) };
                if part > 0 {
                    std::mem::swap(products, earlier);
                }
                for (index, weights) in weights.iter().enumerate() {
                    let mut scratch = Scratch { sums: std::mem::take(sums), ..Scratch::default() };
                    self.products[part.min(1)].run(
                        weights,
                        ConvCall {
                            input: &transformed.as_slice()[index * before..][..before],
                            skip: if part > 0 { &earlier.as_slice()[index * after..][..after] } else { &[] },
                            output: &mut products.as_mut_slice()[index * after..][..after],
                            affine: identity,
                            floor: f32::NEG_INFINITY,
                            images: count,
                            scratch: &mut scratch,
                        },
                    );
                    *sums = scratch.sums;
                }
            }
            let place = products.as_mut_slice().as_mut_ptr();
            // SAFETY: as above.
            unsafe { E::transform_output(self.level.kind(), &TileJob { first, count, products: place, ..output }) };
        }
    }
}
