//! Rows × weights, for one block of features.
//!
//! The number of rows and classes in registers differs between the middle and the edges of a batch, and between
//! processors. It changes no result, because each product of a row and a class has its own lanes.

use crate::Element;
use crate::block::Block;
use crate::lanes::{LANES, Rows, load, padded};
use prefetch_index::prefetch_index;
use pulp::{Arch, Simd, WithSimd};

/// Rows in registers.
const ROWS_AT_ONCE: usize = 3;

/// The class scores of some rows from one block of features.
///
/// # Shapes
/// `scores` is `[rows, stride]`; padding beyond the classes is not written.
pub(crate) struct Forward<'a, E> {
    pub rows: Rows<'a, E>,
    /// Position of the block's first feature within a row.
    pub start: usize,
    pub block: &'a Block,
    pub scores: &'a mut [f32],
    pub stride: usize,
}

impl<E: Element> Forward<'_, E> {
    /// Writes the scores.
    pub(crate) fn run(self, arch: Arch) {
        arch.dispatch(self);
    }
}

impl<E: Element> WithSimd for Forward<'_, E> {
    type Output = ();

    #[inline(always)] // so that the caller's target features apply
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.tiles::<S, 1>(simd, 5),
            8 => self.tiles::<S, 2>(simd, 2),
            4 => self.tiles::<S, 4>(simd, 2),
            _ => self.tiles::<S, LANES>(simd, 1),
        }
    }
}

/// A piece of a block whose weights fit into the first-level cache.
#[derive(Clone, Copy)]
struct Tile {
    first: usize,
    len: usize,
    /// Classes in registers.
    classes: usize,
    /// Cache lines of each of the next rows to prefetch while these classes are computed.
    ahead: usize,
}

impl<E: Element> Forward<'_, E> {
    /// `V` vectors hold the lanes; `classes` classes and three rows are in registers.
    #[inline(always)]
    fn tiles<S: Simd, const V: usize>(mut self, simd: S, classes: usize) {
        for row in self.scores.chunks_exact_mut(self.stride).take(self.rows.offsets.len()) {
            row[..self.block.classes].fill(0.0);
        }
        let (rows, mut first) = (self.rows.offsets.len(), 0);
        while first < self.block.features.len() {
            let len = (self.block.features.len() - first).min(self.block.tile);
            let ahead = len.div_ceil(LANES).div_ceil(self.block.classes.div_ceil(classes));
            let tile = Tile { first, len, classes, ahead };
            let mut row = 0;
            while row < rows {
                row += match rows - row {
                    1 => self.rows::<S, V, 1>(simd, row, tile),
                    2 => self.rows::<S, V, 2>(simd, row, tile),
                    _ => self.rows::<S, V, ROWS_AT_ONCE>(simd, row, tile),
                };
            }
            first += len;
        }
    }

    /// Adds the products of `R` rows and the weights of all classes, for the features of a tile.
    #[inline(always)]
    fn rows<S: Simd, const V: usize, const R: usize>(&mut self, simd: S, row: usize, tile: Tile) -> usize {
        let mut x: [&[E]; R] = [&[]; R];
        for (r, x) in x.iter_mut().enumerate() {
            *x = self.rows.part(row + r, self.start + tile.first, tile.len);
        }
        let (mut class, mut line) = (0, 0);
        while class < self.block.classes {
            self.read_ahead(row + R, tile, line);
            line += tile.ahead;
            let group = (self.block.classes - class).min(tile.classes);
            match group {
                1 => self.group::<S, V, R, 1>(simd, x, row, tile.first, class),
                2 => self.group::<S, V, R, 2>(simd, x, row, tile.first, class),
                3 => self.group::<S, V, R, 3>(simd, x, row, tile.first, class),
                4 => self.group::<S, V, R, 4>(simd, x, row, tile.first, class),
                _ => self.group::<S, V, R, 5>(simd, x, row, tile.first, class),
            }
            class += group;
        }
        R
    }

    /// Prefetches values of the next rows, beginning at a cache line of the tile.
    #[inline(always)]
    fn read_ahead(&self, row: usize, tile: Tile, line: usize) {
        let from = self.start + tile.first + line * LANES;
        let to = (from + tile.ahead * LANES).min(self.start + tile.first + tile.len);
        for offset in self.rows.offsets.iter().skip(row).take(ROWS_AT_ONCE) {
            for feature in (from..to).step_by(LANES) {
                prefetch_index(self.rows.data, offset + feature);
            }
        }
    }

    #[inline(always)]
    fn group<S: Simd, const V: usize, const R: usize, const C: usize>(
        &mut self,
        simd: S,
        x: [&[E]; R],
        row: usize,
        first: usize,
        class: usize,
    ) {
        let len = x[0].len().next_multiple_of(LANES);
        let mut w: [&[f32]; C] = [&[]; C];
        for (c, w) in w.iter_mut().enumerate() {
            *w = &self.block.weights[(class + c) * self.block.stride + first..][..len];
        }
        let sums = dot::<S, E, V, R, C>(simd, x, w);
        for (r, sums) in sums.iter().enumerate() {
            let scores = &mut self.scores[(row + r) * self.stride + class..][..C];
            for (score, sum) in scores.iter_mut().zip(sums) {
                *score += sum;
            }
        }
    }
}

/// All products of `R` rows and `C` weight vectors, which are padded with zeros to whole lanes.
#[inline(always)]
fn dot<S: Simd, E: Element, const V: usize, const R: usize, const C: usize>(
    simd: S,
    x: [&[E]; R],
    w: [&[f32]; C],
) -> [[f32; C]; R] {
    let whole = x[0].len() / LANES;
    let mut sums = [[[simd.splat_f32s(0.0); V]; C]; R];
    let mut lanes: [&[[E; LANES]]; R] = [&[]; R];
    let mut weights: [&[S::f32s]; C] = [&[]; C];
    for r in 0..R {
        lanes[r] = &x[r].as_chunks().0[..whole];
    }
    for c in 0..C {
        weights[c] = &S::as_simd_f32s(w[c]).0[..whole * V];
    }
    for k in 0..whole {
        let mut vectors = [[simd.splat_f32s(0.0); V]; R];
        for r in 0..R {
            vectors[r] = load(simd, &lanes[r][k]);
        }
        for v in 0..V {
            for c in 0..C {
                let weight = weights[c][k * V + v];
                for r in 0..R {
                    sums[r][c][v] = simd.mul_add_f32s(vectors[r][v], weight, sums[r][c][v]);
                }
            }
        }
    }
    if !x[0].len().is_multiple_of(LANES) {
        for r in 0..R {
            let tail: [S::f32s; V] = load(simd, &padded(&x[r][whole * LANES..]));
            for c in 0..C {
                let (weight, _) = S::as_simd_f32s(&w[c][whole * LANES..]);
                for v in 0..V {
                    sums[r][c][v] = simd.mul_add_f32s(tail[v], weight[v], sums[r][c][v]);
                }
            }
        }
    }
    let mut results = [[0.0; C]; R];
    for r in 0..R {
        for c in 0..C {
            results[r][c] = sum_of_lanes(simd, sums[r][c]);
        }
    }
    results
}

/// The sum of the lanes, in the tree of [`reduce`](crate::lanes::reduce): whole vectors first, then within one.
#[inline(always)]
fn sum_of_lanes<S: Simd, const V: usize>(simd: S, mut vectors: [S::f32s; V]) -> f32 {
    let mut half = V / 2;
    while half > 0 {
        for v in 0..half {
            vectors[v] = simd.add_f32s(vectors[v], vectors[v + half]);
        }
        half /= 2;
    }
    let mut lanes = [0.0; LANES];
    S::as_mut_simd_f32s(&mut lanes).0[0] = vectors[0];
    let mut half = S::F32_LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}
