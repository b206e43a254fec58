//! Class errors × rows, and Adam behind it, for one block of features.
//!
//! The order of each sum is that of the rows, whatever is held in registers at once.

use crate::adam::AdamStep;
use crate::block::Block;
use crate::lanes::{LANES, Rows, padded};
use pulp::{Arch, Simd, WithSimd};

/// Rows whose products are summed before moving on to the next features: enough to make up for loading and storing
/// the sums, and few enough for the first-level cache and for the processor to read ahead in each.
const ROWS_AT_ONCE: usize = 16;

/// Classes whose sums are held in registers at once.
const CLASSES_AT_ONCE: usize = 5;

/// The gradient of one block's weights over some rows, and one step of Adam against it.
///
/// # Shapes
/// `errors` is `[rows, stride]`: softmax minus one-hot, over the number of rows.
pub(crate) struct Backward<'a> {
    pub rows: Rows<'a>,
    /// Place of the block's first feature within a row.
    pub start: usize,
    pub block: &'a mut Block,
    pub errors: &'a [f32],
    pub stride: usize,
    pub adam: &'a AdamStep,
    /// Working memory.
    pub gradient: &'a mut Vec<f32>,
}

impl Backward<'_> {
    /// Updates the block's weights.
    pub(crate) fn run(self, arch: Arch) {
        arch.dispatch(self);
    }
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)] // into a function that may use the processor's vector extension
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.tiles::<S, 1>(simd),
            8 => self.tiles::<S, 2>(simd),
            4 => self.tiles::<S, 4>(simd),
            _ => self.tiles::<S, LANES>(simd),
        }
    }
}

impl Backward<'_> {
    /// `V` vectors make up the lanes.
    #[inline(always)]
    fn tiles<S: Simd, const V: usize>(mut self, simd: S) {
        let (len, classes) = (self.block.features.len(), self.block.classes);
        let mut first = 0;
        while first < len {
            let tile = (len - first).min(self.block.tile);
            let width = tile.next_multiple_of(LANES);
            self.gradient.clear();
            self.gradient.resize(classes * width, 0.0);
            for row in (0..self.rows.offsets.len()).step_by(ROWS_AT_ONCE) {
                self.rows::<S, V>(simd, row, first, tile);
            }
            self.update(first, width);
            first += tile;
        }
    }

    /// Adds the products of some rows from `row` on, for `tile` features from the block's `first` on.
    #[inline(always)]
    fn rows<S: Simd, const V: usize>(&mut self, simd: S, row: usize, first: usize, tile: usize) {
        let count = (self.rows.offsets.len() - row).min(ROWS_AT_ONCE);
        let mut rows: [(&[S::f32s], &[f32]); ROWS_AT_ONCE] = [(&[], &[]); ROWS_AT_ONCE];
        let mut tails = [[0.0; LANES]; ROWS_AT_ONCE];
        let whole = tile / LANES;
        for (r, (x, errors)) in rows[..count].iter_mut().enumerate() {
            let part = self.rows.part(row + r, self.start + first, tile);
            *x = S::as_simd_f32s(&part[..whole * LANES]).0;
            *errors = &self.errors[(row + r) * self.stride..][..self.block.classes];
            tails[r] = padded(&part[whole * LANES..]);
        }
        let width = tile.next_multiple_of(LANES);
        for k in 0..whole {
            accumulate_all::<S, V>(simd, self.gradient, width, k * LANES, &rows[..count], k * V);
        }
        if whole * LANES < tile {
            for ((x, _), tail) in rows.iter_mut().zip(&tails) {
                *x = S::as_simd_f32s(tail).0;
            }
            accumulate_all::<S, V>(simd, self.gradient, width, whole * LANES, &rows[..count], 0);
        }
    }

    /// One step of Adam for a tile.
    #[inline(always)]
    fn update(&mut self, first: usize, width: usize) {
        for (class, gradient) in self.gradient.chunks_exact(width).enumerate() {
            let at = class * self.block.stride + first;
            let (weights, _) = self.block.weights[at..][..width].as_chunks_mut();
            let (mean, _) = self.block.moments.mean[at..][..width].as_chunks_mut();
            let (square, _) = self.block.moments.square[at..][..width].as_chunks_mut();
            let (gradient, _) = gradient.as_chunks();
            for (((gradient, weights), mean), square) in gradient.iter().zip(weights).zip(mean).zip(square) {
                self.adam.apply(gradient, weights, mean, square);
            }
        }
    }
}

/// Adds the products of rows, from their vector `at` on, to all classes' gradients at `feature`.
#[inline(always)]
fn accumulate_all<S: Simd, const V: usize>(
    simd: S,
    gradient: &mut [f32],
    width: usize,
    feature: usize,
    rows: &[(&[S::f32s], &[f32])],
    at: usize,
) {
    let (classes, mut class) = (gradient.len() / width, 0);
    while class < classes {
        let group = (classes - class).min(CLASSES_AT_ONCE);
        let sums = &mut gradient[class * width + feature..];
        match group {
            1 => accumulate::<S, V, 1>(simd, sums, width, rows, at, class),
            2 => accumulate::<S, V, 2>(simd, sums, width, rows, at, class),
            3 => accumulate::<S, V, 3>(simd, sums, width, rows, at, class),
            4 => accumulate::<S, V, 4>(simd, sums, width, rows, at, class),
            _ => accumulate::<S, V, CLASSES_AT_ONCE>(simd, sums, width, rows, at, class),
        }
        class += group;
    }
}

/// Adds the products of rows to the gradients of `C` classes from `class` on.
#[inline(always)]
fn accumulate<S: Simd, const V: usize, const C: usize>(
    simd: S,
    gradient: &mut [f32],
    width: usize,
    rows: &[(&[S::f32s], &[f32])],
    at: usize,
    class: usize,
) {
    let mut sums = [[simd.splat_f32s(0.0); V]; C];
    for c in 0..C {
        sums[c].copy_from_slice(S::as_simd_f32s(&gradient[c * width..][..LANES]).0);
    }
    for (x, errors) in rows {
        let (x, errors) = (&x[at..][..V], &errors[class..][..C]);
        for c in 0..C {
            let error = simd.splat_f32s(errors[c]);
            for v in 0..V {
                sums[c][v] = simd.mul_add_f32s(x[v], error, sums[c][v]);
            }
        }
    }
    for c in 0..C {
        S::as_mut_simd_f32s(&mut gradient[c * width..][..LANES]).0.copy_from_slice(&sums[c]);
    }
}
