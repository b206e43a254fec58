//! Rows × weights, for one block of features.
//!
//! How many rows and classes are held in registers at once differs between the edges of a batch and its middle and
//! between processors; it changes no result, since each product of a row and a class has lanes of its own.

use crate::block::Block;
use crate::lanes::{LANES, Rows, padded, reduce};
use prefetch_index::prefetch_index;
use pulp::{Arch, Simd, WithSimd};

/// Rows that are held in registers at once.
const ROWS_AT_ONCE: usize = 3;

/// The class scores of some rows from one block of features alone.
///
/// # Shapes
/// `scores` is `[rows, stride]`; what lies beyond the classes is left as it is.
pub(crate) struct Forward<'a> {
    pub rows: Rows<'a>,
    /// Place of the block's first feature within a row.
    pub start: usize,
    pub block: &'a Block,
    pub scores: &'a mut [f32],
    pub stride: usize,
}

impl Forward<'_> {
    /// Writes the scores.
    pub(crate) fn run(self, arch: Arch) {
        arch.dispatch(self);
    }
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)] // into a function that may use the processor's vector extension
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.tiles::<S, 1>(simd, 5),
            8 => self.tiles::<S, 2>(simd, 2),
            4 => self.tiles::<S, 4>(simd, 2),
            _ => self.tiles::<S, LANES>(simd, 1),
        }
    }
}

impl Forward<'_> {
    /// `V` vectors make up the lanes; `classes` classes and three rows are held in registers at once.
    #[inline(always)]
    fn tiles<S: Simd, const V: usize>(mut self, simd: S, classes: usize) {
        for row in self.scores.chunks_exact_mut(self.stride).take(self.rows.offsets.len()) {
            row[..self.block.classes].fill(0.0);
        }
        let (rows, mut first) = (self.rows.offsets.len(), 0);
        while first < self.block.features.len() {
            let len = (self.block.features.len() - first).min(self.block.tile);
            let mut row = 0;
            while row < rows {
                row += match rows - row {
                    1 => self.rows::<S, V, 1>(simd, row, first, len, classes),
                    2 => self.rows::<S, V, 2>(simd, row, first, len, classes),
                    _ => self.rows::<S, V, ROWS_AT_ONCE>(simd, row, first, len, classes),
                };
            }
            first += len;
        }
    }

    /// Adds the products of `R` rows with all classes' weights, for `len` features from the block's `first` on.
    #[inline(always)]
    fn rows<S: Simd, const V: usize, const R: usize>(
        &mut self,
        simd: S,
        row: usize,
        first: usize,
        len: usize,
        classes: usize,
    ) -> usize {
        let mut x: [&[f32]; R] = [&[]; R];
        for (r, x) in x.iter_mut().enumerate() {
            *x = self.rows.part(row + r, self.start + first, len);
        }
        let mut class = 0;
        while class < self.block.classes {
            let left = self.block.classes - class;
            let group = left.div_ceil(left.div_ceil(classes));
            self.read_ahead(row + R, first, len, class, group);
            match group {
                1 => self.group::<S, V, R, 1>(simd, x, row, first, class),
                2 => self.group::<S, V, R, 2>(simd, x, row, first, class),
                3 => self.group::<S, V, R, 3>(simd, x, row, first, class),
                4 => self.group::<S, V, R, 4>(simd, x, row, first, class),
                _ => self.group::<S, V, R, 5>(simd, x, row, first, class),
            }
            class += group;
        }
        R
    }

    /// Asks for a share of the next rows' values, in proportion to the classes: they come from far away.
    #[inline(always)]
    fn read_ahead(&self, row: usize, first: usize, len: usize, class: usize, group: usize) {
        let lines = len.div_ceil(LANES);
        let share = class * lines / self.block.classes..(class + group) * lines / self.block.classes;
        for offset in self.rows.offsets.iter().skip(row).take(ROWS_AT_ONCE) {
            for line in share.clone() {
                prefetch_index(self.rows.data, offset + self.start + first + line * LANES);
            }
        }
    }

    #[inline(always)]
    fn group<S: Simd, const V: usize, const R: usize, const C: usize>(
        &mut self,
        simd: S,
        x: [&[f32]; R],
        row: usize,
        first: usize,
        class: usize,
    ) {
        let len = x[0].len().next_multiple_of(LANES);
        let mut w: [&[f32]; C] = [&[]; C];
        for (c, w) in w.iter_mut().enumerate() {
            *w = &self.block.weights[(class + c) * self.block.stride + first..][..len];
        }
        let sums = dot::<S, V, R, C>(simd, x, w);
        for (r, sums) in sums.iter().enumerate() {
            let scores = &mut self.scores[(row + r) * self.stride + class..][..C];
            for (score, sum) in scores.iter_mut().zip(sums) {
                *score += sum;
            }
        }
    }
}

/// All products of `R` rows and `C` weight vectors; the latter are padded with zeros to whole lanes.
#[inline(always)]
fn dot<S: Simd, const V: usize, const R: usize, const C: usize>(
    simd: S,
    x: [&[f32]; R],
    w: [&[f32]; C],
) -> [[f32; C]; R] {
    let whole = x[0].len() / LANES;
    let mut sums = [[[simd.splat_f32s(0.0); V]; C]; R];
    let mut vectors: [&[S::f32s]; R] = [&[]; R];
    let mut weights: [&[S::f32s]; C] = [&[]; C];
    for r in 0..R {
        vectors[r] = &S::as_simd_f32s(x[r]).0[..whole * V];
    }
    for c in 0..C {
        weights[c] = &S::as_simd_f32s(w[c]).0[..whole * V];
    }
    for k in 0..whole {
        for v in 0..V {
            for c in 0..C {
                let weight = weights[c][k * V + v];
                for r in 0..R {
                    sums[r][c][v] = simd.mul_add_f32s(vectors[r][k * V + v], weight, sums[r][c][v]);
                }
            }
        }
    }
    if !x[0].len().is_multiple_of(LANES) {
        for r in 0..R {
            let tail = padded(&x[r][whole * LANES..]);
            let (tail, _) = S::as_simd_f32s(&tail);
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
            let mut lanes = [0.0; LANES];
            S::as_mut_simd_f32s(&mut lanes).0[..V].copy_from_slice(&sums[r][c]);
            results[r][c] = reduce(lanes);
        }
    }
    results
}
