//! Gram matrices of blocks of rows: exact in whole numbers, or in `f64`.
//!
//! A Gram matrix is stored as its lower triangle, row by row: entry `(i, j)` with `j ≤ i` is at `i (i + 1) / 2 + j`.

mod level;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use level::Level;

use crate::fixed_point::{LARGEST, round};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

/// Rows that are packed together.
pub(crate) const BLOCK: usize = 2 * PAIRS;
/// Pairs of rows that are packed together.
const PAIRS: usize = 128;
/// Features of a panel.
const PANEL: usize = 48;
/// Rows of the Gram matrix that a tile computes. A strip of so many rows lies within a panel.
const TILE: usize = 8;
/// Rows of the Gram matrix that a task computes in `f64`.
const FLOAT_STRIP: usize = 64;

/// Sums of products of one strip and one panel.
type Tile = [[i32; PANEL]; TILE];

/// Entries of the lower triangle.
pub(crate) fn triangle(features: usize) -> usize {
    features * (features + 1) / 2
}

/// At most [`BLOCK`] rows on the fixed-point grid.
///
/// A panel has [`PAIRS`] × [`PANEL`] numbers of 32 bits, each with the values of one feature in two neighbouring rows, as
/// the instructions for integer dot products take them.
pub(crate) struct Block {
    features: usize,
    pairs: usize,
    panels: Vec<i32>,
    /// Sums of each class of the block, by panel, then class, then feature.
    class_sums: Vec<i64>,
    classes: usize,
    /// Pairs whose sums of products fit 32 bits.
    step: usize,
    /// Values beyond the range of the grid.
    pub(crate) clipped: u64,
}

impl Block {
    /// Rounds rows to the grid; `scales` are its factors, `classes[row] < class_count` the class within the block.
    pub(crate) fn new(values: &[f32], scales: &[f32], classes: &[usize], class_count: usize) -> Self {
        let features = scales.len();
        let (panels, pairs) = (features.div_ceil(PANEL), classes.len().div_ceil(2));
        let mut block = Self {
            features,
            pairs,
            panels: vec![0; panels * pairs * PANEL],
            class_sums: vec![0; panels * class_count * PANEL],
            classes: class_count,
            step: PAIRS,
            clipped: 0,
        };
        let filled =
            block.panels.par_chunks_mut(pairs * PANEL).zip(block.class_sums.par_chunks_mut(class_count * PANEL));
        let (step, clipped) = filled
            .enumerate()
            .map(|(panel, (packed, sums))| {
                let start = panel * PANEL;
                let scales = &scales[start..features.min(start + PANEL)];
                let mut clipped = 0;
                for (row, &class) in classes.iter().enumerate() {
                    let values = &values[row * features + start..][..scales.len()];
                    let pair = &mut packed[row / 2 * PANEL..][..PANEL];
                    let sums = &mut sums[class * PANEL..][..PANEL];
                    clipped += put(values, scales, pair, sums, 16 * (row as u32 % 2));
                }
                (step(packed), clipped)
            })
            .reduce(|| (PAIRS, 0), |a, b| (a.0.min(b.0), a.1 + b.1));
        (block.step, block.clipped) = (step, clipped);
        block
    }

    /// The sums of one class, one for each feature.
    pub(crate) fn class_sums(&self, class: usize) -> impl Iterator<Item = i64> {
        let panels = self.class_sums.chunks_exact(self.classes * PANEL);
        panels.flat_map(move |panel| panel[class * PANEL..][..PANEL].iter().copied()).take(self.features)
    }

    /// Adds the block's Gram matrix.
    pub(crate) fn add_gram(&self, level: Level, gram: &mut [i64]) {
        let length = self.pairs * PANEL;
        strips(gram, self.features, TILE).into_par_iter().for_each(|(first, strip)| {
            let own = first / PANEL;
            let mut tile = [[0; PANEL]; TILE];
            let chunks = |panel: usize| self.panels[panel * length..][..length].chunks(self.step * PANEL);
            for panel in 0..=own {
                for (a, b) in chunks(own).zip(chunks(panel)) {
                    level.tile(a, first % PANEL, b, &mut tile);
                    add_tile(&tile, strip, first, self.features, panel * PANEL);
                }
            }
        });
    }
}

/// Rounds the features of a row into the lower or upper half of a pair and adds them to sums. Counts clipped values.
fn put(values: &[f32], scales: &[f32], pair: &mut [i32], sums: &mut [i64], shift: u32) -> u64 {
    let mut clipped = 0;
    for (((&value, &scale), pair), sum) in values.iter().zip(scales).zip(pair).zip(sums) {
        let scaled = value * scale;
        let rounded = round(scaled);
        clipped += u32::from(scaled.abs() > f32::from(LARGEST));
        *pair |= i32::from(rounded as u16) << shift;
        *sum += i64::from(rounded);
    }
    u64::from(clipped)
}

/// The largest power of two of pairs for which no sum of products can leave 32 bits.
///
/// By Cauchy and Schwarz a sum of products is at most the largest sum of squares, and so is each sum on the way.
fn step(packed: &[i32]) -> usize {
    let squares = |pair: i32| {
        let (low, high) = (i32::from(pair as i16), pair >> 16);
        (low * low + high * high) as u32
    };
    let mut step = PAIRS;
    while step > 1 {
        let fits = packed.chunks(step * PANEL).all(|chunk| {
            // Squares are counted in units of 2⁷, rounded up, so that the sum of 128 of them fits.
            let mut sums = [0u32; PANEL];
            for pairs in chunk.chunks_exact(PANEL) {
                for (sum, &pair) in sums.iter_mut().zip(pairs) {
                    *sum += (squares(pair) + 127) >> 7;
                }
            }
            sums.iter().all(|&sum| sum <= i32::MAX as u32 >> 7)
        });
        if fits {
            break;
        }
        step /= 2;
    }
    step
}

/// Cuts a triangle into strips of so many rows; each with its first row.
fn strips<T>(mut triangle: &mut [T], features: usize, rows: usize) -> Vec<(usize, &mut [T])> {
    let mut strips = Vec::with_capacity(features.div_ceil(rows));
    for first in (0..features).step_by(rows) {
        let length = self::triangle(features.min(first + rows)) - self::triangle(first);
        let (strip, rest) = triangle.split_at_mut(length);
        strips.push((first, strip));
        triangle = rest;
    }
    // The longest first, so that no thread is left with one at the end.
    strips.reverse();
    strips
}

/// Adds a tile whose first column is `column` to the strip that begins with row `first`.
fn add_tile(tile: &Tile, strip: &mut [i64], first: usize, features: usize, column: usize) {
    for (row, products) in (first..features).zip(tile) {
        let start = triangle(row) - triangle(first) + column;
        let sums = &mut strip[start..][..PANEL.min(row + 1 - column)];
        for (sum, &product) in sums.iter_mut().zip(products) {
            *sum += i64::from(product);
        }
    }
}

/// Adds the Gram matrix of rows in `f64`.
pub(crate) fn add_float_gram(values: &[f32], features: usize, gram: &mut [f64]) {
    let values: Vec<f64> = values.iter().copied().map(f64::from).collect();
    let rows = MatRef::from_row_major_slice(&values, values.len() / features, features);
    strips(gram, features, FLOAT_STRIP).into_par_iter().for_each(|(first, strip)| {
        let end = features.min(first + FLOAT_STRIP);
        // Transposed, so that a row of the triangle is a column in memory.
        let mut products = Mat::<f64>::zeros(end, end - first);
        let own = rows.subcols(first, end - first);
        matmul(products.as_mut(), Accum::Replace, rows.subcols(0, end).transpose(), own, 1.0, Par::Seq);
        for (row, products) in (first..end).zip(products.col_iter()) {
            let sums = &mut strip[triangle(row) - triangle(first)..][..=row];
            sums.iter_mut().zip(products.iter()).for_each(|(sum, product)| *sum += product);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(values: &[i16], features: usize) -> Vec<i64> {
        let product = |i: usize, j: usize| {
            values.chunks_exact(features).map(|row| i64::from(row[i]) * i64::from(row[j])).sum::<i64>()
        };
        (0..features).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|(i, j)| product(i, j)).collect()
    }

    /// Rows of whole numbers up to `largest` in magnitude; the extremes are frequent.
    fn rows() -> impl Strategy<Value = (usize, Vec<i16>)> {
        (1usize..110, 1usize..=BLOCK, prop_oneof![Just(3i16), Just(2_000), Just(LARGEST)]).prop_flat_map(
            |(features, rows, largest)| {
                let value = prop_oneof![Just(largest), Just(-largest), -largest..=largest];
                (Just(features), prop::collection::vec(value, features * rows))
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_level_gives_the_exact_gram_matrix_and_class_sums((features, values) in rows()) {
            let floats: Vec<f32> = values.iter().copied().map(f32::from).collect();
            let classes: Vec<usize> = (0..values.len() / features).map(|row| row % 3).collect();
            let block = Block::new(&floats, &vec![1.0; features], &classes, 3);
            let expected = naive(&values, features);
            for level in Level::usable() {
                let mut gram = vec![0; triangle(features)];
                block.add_gram(level, &mut gram);
                prop_assert!(gram == expected, "{level:?}");
            }
            for class in 0..3 {
                let own = values.chunks_exact(features).skip(class).step_by(3);
                let expected = (0..features).map(|j| own.clone().map(|row| i64::from(row[j])).sum::<i64>());
                prop_assert!(block.class_sums(class).eq(expected));
            }
            prop_assert_eq!(block.clipped, 0);
            let mut float = vec![0.0; triangle(features)];
            add_float_gram(&floats, features, &mut float);
            // Products and sums of such whole numbers are exact in f64.
            prop_assert!(float.iter().zip(&expected).all(|(&float, &whole)| float == whole as f64));
        }
    }

    #[test]
    fn the_step_follows_from_the_sums_of_squares() {
        let pair = |value: i16| (i32::from(value) << 16) | i32::from(value as u16);
        // 256 · 2,896² is just below 2³¹, 256 · 2,897² above.
        assert_eq!(step(&[pair(2_896); PAIRS * PANEL]), PAIRS);
        assert_eq!(step(&[pair(2_897); PAIRS * PANEL]), PAIRS / 2);
        assert_eq!(step(&[pair(LARGEST); PAIRS * PANEL]), 1);
        let mut one = [0; PAIRS * PANEL];
        one[7] = pair(LARGEST);
        assert_eq!(step(&one), PAIRS);
        one[PANEL + 7] = pair(500);
        assert_eq!(step(&one), 1);
    }
}
