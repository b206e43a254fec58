//! The two products of a step: rows × weights, and class errors × rows with Adam behind it.
//!
//! Both run in sixteen lanes of features. How many rows and classes are held in registers at once differs between
//! the edges of a batch and its middle; it changes no result, since each sum has its own lanes and its own order.

use crate::adam::AdamStep;
use crate::block::{Block, LANES};
use pulp::Arch;

/// Rows that lie anywhere in one slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub data: &'a [f32],
    /// Where each row begins.
    pub offsets: &'a [usize],
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn part(&self, row: usize, start: usize, len: usize) -> &'a [f32] {
        &self.data[self.offsets[row] + start..][..len]
    }
}

/// Class scores of `rows` from one block of features alone.
///
/// `start` is the place of the block's first feature within a row.
///
/// # Shapes
/// `scores` is `[rows, stride]`; what lies beyond the classes is left as it is.
pub(crate) fn forward(arch: Arch, rows: Rows<'_>, start: usize, block: &Block, scores: &mut [f32], stride: usize) {
    let rows_len = rows.offsets.len();
    for row in scores.chunks_exact_mut(stride).take(rows_len) {
        row[..block.classes].fill(0.0);
    }
    arch.dispatch(|| {
        let mut first = 0;
        while first < block.features.len() {
            let len = (block.features.len() - first).min(block.tile);
            let mut row = 0;
            while row < rows_len {
                let scores = &mut scores[row * stride..];
                row += match rows_len - row {
                    1 => forward_rows::<1>(rows, row, start, first, len, block, scores, stride),
                    2 => forward_rows::<2>(rows, row, start, first, len, block, scores, stride),
                    _ => forward_rows::<3>(rows, row, start, first, len, block, scores, stride),
                };
            }
            first += len;
        }
    });
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "an inlined piece of `forward`")]
fn forward_rows<const R: usize>(
    rows: Rows<'_>,
    row: usize,
    start: usize,
    first: usize,
    len: usize,
    block: &Block,
    scores: &mut [f32],
    stride: usize,
) -> usize {
    let x: [&[f32]; R] = std::array::from_fn(|r| rows.part(row + r, start + first, len));
    let weights = |class: usize| &block.weights[class * block.stride + first..][..len.next_multiple_of(LANES)];
    let mut class = 0;
    while class + 2 <= block.classes {
        let sums = dot::<R, 2>(x, [weights(class), weights(class + 1)]);
        for r in 0..R {
            scores[r * stride + class] += sums[r][0];
            scores[r * stride + class + 1] += sums[r][1];
        }
        class += 2;
    }
    if class < block.classes {
        let sums = dot::<R, 1>(x, [weights(class)]);
        for r in 0..R {
            scores[r * stride + class] += sums[r][0];
        }
    }
    R
}

/// All products of `R` rows and `C` weight vectors; the latter are padded with zeros to whole lanes.
#[inline(always)]
fn dot<const R: usize, const C: usize>(x: [&[f32]; R], w: [&[f32]; C]) -> [[f32; C]; R] {
    let whole = x[0].len() / LANES;
    let mut sums = [[[0.0f32; LANES]; C]; R];
    {
        let x: [&[[f32; LANES]]; R] = x.map(|x| &x.as_chunks().0[..whole]);
        let w: [&[[f32; LANES]]; C] = w.map(|w| &w.as_chunks().0[..whole]);
        for k in 0..whole {
            for r in 0..R {
                for c in 0..C {
                    for lane in 0..LANES {
                        sums[r][c][lane] = x[r][k][lane].mul_add(w[c][k][lane], sums[r][c][lane]);
                    }
                }
            }
        }
    }
    if x[0].len() % LANES != 0 {
        for r in 0..R {
            let x = padded(&x[r][whole * LANES..]);
            for c in 0..C {
                for lane in 0..LANES {
                    sums[r][c][lane] = x[lane].mul_add(w[c][whole * LANES + lane], sums[r][c][lane]);
                }
            }
        }
    }
    sums.map(|sums| sums.map(reduce))
}

/// The sum of the lanes, in a fixed tree.
#[inline(always)]
pub(crate) fn reduce(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn padded(tail: &[f32]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    lanes[..tail.len()].copy_from_slice(tail);
    lanes
}

/// The gradient of one block's weights over `rows`, and one step of Adam against it.
///
/// # Shapes
/// `errors` is `[rows, stride]`: softmax minus one-hot, over the number of rows.
pub(crate) fn backward(
    arch: Arch,
    rows: Rows<'_>,
    start: usize,
    block: &mut Block,
    errors: &[f32],
    stride: usize,
    adam: &AdamStep,
) {
    arch.dispatch(|| {
        let len = block.features.len();
        let mut first = 0;
        while first < len {
            let mut class = 0;
            while class < block.classes {
                let left = block.classes - class;
                let group = left.div_ceil(left.div_ceil(5));
                match group {
                    1 => backward_tile::<1>(rows, start, first, class, block, errors, stride, adam),
                    2 => backward_tile::<2>(rows, start, first, class, block, errors, stride, adam),
                    3 => backward_tile::<3>(rows, start, first, class, block, errors, stride, adam),
                    4 => backward_tile::<4>(rows, start, first, class, block, errors, stride, adam),
                    _ => backward_tile::<5>(rows, start, first, class, block, errors, stride, adam),
                }
                class += group;
            }
            first += LANES;
        }
    });
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "an inlined piece of `backward`")]
fn backward_tile<const C: usize>(
    rows: Rows<'_>,
    start: usize,
    first: usize,
    class: usize,
    block: &mut Block,
    errors: &[f32],
    stride: usize,
    adam: &AdamStep,
) {
    let len = (block.features.len() - first).min(LANES);
    let mut gradient = [[0.0f32; LANES]; C];
    if len == LANES {
        for row in 0..rows.offsets.len() {
            if let Some(x) = rows.part(row, start + first, LANES).first_chunk() {
                accumulate(&mut gradient, x, &errors[row * stride + class..]);
            }
        }
    } else {
        for row in 0..rows.offsets.len() {
            let x = padded(rows.part(row, start + first, len));
            accumulate(&mut gradient, &x, &errors[row * stride + class..]);
        }
    }
    for (c, gradient) in gradient.iter().enumerate() {
        let at = (class + c) * block.stride + first;
        if let (Some(weights), Some(mean), Some(square)) = (
            block.weights[at..].first_chunk_mut(),
            block.moments.mean[at..].first_chunk_mut(),
            block.moments.square[at..].first_chunk_mut(),
        ) {
            adam.apply(gradient, weights, mean, square);
        }
    }
}

#[inline(always)]
fn accumulate<const C: usize>(gradient: &mut [[f32; LANES]; C], x: &[f32; LANES], errors: &[f32]) {
    let errors = &errors[..C];
    for c in 0..C {
        for lane in 0..LANES {
            gradient[c][lane] = x[lane].mul_add(errors[c], gradient[c][lane]);
        }
    }
}
