//! Class errors × rows, followed by Adam, for one block of features.
//!
//! Each sum runs in the order of the rows, for any number of rows and classes in registers.

use crate::Element;
use crate::adam::AdamStep;
use crate::block::Block;
use crate::lanes::{LANES, Rows, load, padded};
use prefetch_index::prefetch_index;
use pulp::{Arch, Simd, WithSimd};

/// Rows whose products are summed before the next features: enough to outweigh loading and storing the sums, and few
/// enough for the first-level cache and the hardware prefetcher.
const ROWS_AT_ONCE: usize = 8;

/// Classes whose sums are in registers.
const CLASSES_AT_ONCE: usize = 5;

/// The gradient of one block's weights over some rows, and one step of Adam against it.
///
/// # Shapes
/// `errors` is `[rows, stride]`: softmax minus one-hot, over the number of rows.
pub(crate) struct Backward<'a, E> {
    pub rows: Rows<'a, E>,
    /// Position of the block's first feature within a row.
    pub start: usize,
    pub block: &'a mut Block,
    pub errors: &'a [f32],
    pub stride: usize,
    pub adam: &'a AdamStep,
    /// Scratch memory.
    pub gradient: &'a mut Vec<f32>,
}

impl<E: Element> Backward<'_, E> {
    /// Updates the block's weights.
    pub(crate) fn run(self, arch: Arch) {
        arch.dispatch(self);
    }
}

impl<E: Element> WithSimd for Backward<'_, E> {
    type Output = ();

    #[inline(always)] // so that the caller's target features apply
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.tiles::<S, 1, 4>(simd),
            8 => self.tiles::<S, 2, 1>(simd),
            4 => self.tiles::<S, 4, 1>(simd),
            _ => self.tiles::<S, LANES, 1>(simd),
        }
    }
}

/// Values of one row in groups of sixteen, and its errors, `[classes]`.
type Row<'a, E> = (&'a [[E; LANES]], &'a [f32]);

impl<E: Element> Backward<'_, E> {
    /// `V` vectors hold the lanes; the sums of `K` times sixteen features are in registers.
    #[inline(always)]
    fn tiles<S: Simd, const V: usize, const K: usize>(mut self, simd: S) {
        let (len, classes) = (self.block.features.len(), self.block.classes);
        let mut first = 0;
        while first < len {
            let tile = (len - first).min(self.block.tile);
            let width = tile.next_multiple_of(LANES);
            self.gradient.clear();
            self.gradient.resize(classes * width, 0.0);
            for row in (0..self.rows.offsets.len()).step_by(ROWS_AT_ONCE) {
                self.rows::<S, V, K>(simd, row, first, tile);
            }
            self.update(first, width);
            first += tile;
        }
    }

    /// Adds the products of some rows from `row` on, for `tile` features from `first` in the block.
    #[inline(always)]
    fn rows<S: Simd, const V: usize, const K: usize>(&mut self, simd: S, row: usize, first: usize, tile: usize) {
        let count = (self.rows.offsets.len() - row).min(ROWS_AT_ONCE);
        let mut rows: [Row<'_, E>; ROWS_AT_ONCE] = [(&[], &[]); ROWS_AT_ONCE];
        let mut tails = [[[E::default(); LANES]; 1]; ROWS_AT_ONCE];
        let (whole, width) = (tile / LANES, tile.next_multiple_of(LANES));
        for (r, (x, errors)) in rows[..count].iter_mut().enumerate() {
            let part = self.rows.part(row + r, self.start + first, tile);
            let (lanes, tail) = part.as_chunks();
            *x = lanes;
            tails[r] = [padded(tail)];
            *errors = &self.errors[(row + r) * self.stride..][..self.block.classes];
        }
        let mut k = 0;
        while k + K <= whole {
            self.read_ahead(row + ROWS_AT_ONCE, first + k * LANES, K);
            accumulate_all::<S, E, V, K>(simd, self.gradient, width, k * LANES, &rows[..count], k);
            k += K;
        }
        while k < whole {
            accumulate_all::<S, E, V, 1>(simd, self.gradient, width, k * LANES, &rows[..count], k);
            k += 1;
        }
        if whole * LANES < tile {
            for ((x, _), tail) in rows.iter_mut().zip(&tails) {
                *x = tail;
            }
            accumulate_all::<S, E, V, 1>(simd, self.gradient, width, whole * LANES, &rows[..count], 0);
        }
    }

    /// Prefetches values of the next rows, `lanes` times sixteen from `first` in the block.
    #[inline(always)]
    fn read_ahead(&self, row: usize, first: usize, lanes: usize) {
        for offset in self.rows.offsets.iter().skip(row).take(ROWS_AT_ONCE) {
            for lane in 0..lanes {
                prefetch_index(self.rows.data, offset + self.start + first + lane * LANES);
            }
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

/// Adds products of rows to the gradients of all classes at `feature`: `K` times sixteen values from lanes `at` on.
#[inline(always)]
fn accumulate_all<S: Simd, E: Element, const V: usize, const K: usize>(
    simd: S,
    gradient: &mut [f32],
    width: usize,
    feature: usize,
    rows: &[Row<'_, E>],
    at: usize,
) {
    let (classes, mut class) = (gradient.len() / width, 0);
    while class < classes {
        let group = (classes - class).min(CLASSES_AT_ONCE);
        let sums = &mut gradient[class * width + feature..];
        match group {
            1 => accumulate::<S, E, V, K, 1>(simd, sums, width, rows, at, class),
            2 => accumulate::<S, E, V, K, 2>(simd, sums, width, rows, at, class),
            3 => accumulate::<S, E, V, K, 3>(simd, sums, width, rows, at, class),
            4 => accumulate::<S, E, V, K, 4>(simd, sums, width, rows, at, class),
            _ => accumulate::<S, E, V, K, CLASSES_AT_ONCE>(simd, sums, width, rows, at, class),
        }
        class += group;
    }
}

/// Adds the products of rows to the gradients of `C` classes from `class` on.
#[inline(always)]
fn accumulate<S: Simd, E: Element, const V: usize, const K: usize, const C: usize>(
    simd: S,
    gradient: &mut [f32],
    width: usize,
    rows: &[Row<'_, E>],
    at: usize,
    class: usize,
) {
    let mut sums = [[[simd.splat_f32s(0.0); V]; K]; C];
    for c in 0..C {
        let (gradient, _) = gradient[c * width..][..K * LANES].as_chunks();
        for k in 0..K {
            sums[c][k] = load(simd, &gradient[k]);
        }
    }
    for (x, errors) in rows {
        let (x, errors) = (&x[at..][..K], &errors[class..][..C]);
        let mut vectors = [[simd.splat_f32s(0.0); V]; K];
        for k in 0..K {
            vectors[k] = load(simd, &x[k]);
        }
        for c in 0..C {
            let error = simd.splat_f32s(errors[c]);
            for k in 0..K {
                for v in 0..V {
                    sums[c][k][v] = simd.mul_add_f32s(vectors[k][v], error, sums[c][k][v]);
                }
            }
        }
    }
    for c in 0..C {
        for k in 0..K {
            let lanes = &mut gradient[c * width + k * LANES..][..LANES];
            S::as_mut_simd_f32s(lanes).0.copy_from_slice(&sums[c][k]);
        }
    }
}
