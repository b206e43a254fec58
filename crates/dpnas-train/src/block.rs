//! The split of the features into blocks, and the weights of one block.
//!
//! The split decides the order in which products are summed, so it depends only on the numbers of features and classes,
//! never on threads or hardware.

use crate::adam::Moments;
use crate::lanes::LANES;
use std::ops::Range;

/// The split of the features into blocks (units of work and of summation) and tiles (parts of a block whose weights fit
/// the first-level cache). Every block but the last is a multiple of the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub features: usize,
    pub classes: usize,
    block: usize,
    tile: usize,
}

impl Blocks {
    pub(crate) fn new(features: usize, classes: usize) -> Self {
        let wanted = features.div_ceil(512).next_power_of_two().min(64);
        let block = features.div_ceil(wanted).next_multiple_of(LANES);
        let most = (6144 / classes.max(1)).clamp(4 * LANES, 512);
        let tile = block.div_ceil(block.div_ceil(most)).next_multiple_of(LANES);
        Self { features, classes, block, tile }
    }

    /// Number of blocks.
    pub(crate) fn count(&self) -> usize {
        self.features.div_ceil(self.block)
    }

    /// The features of one block.
    pub(crate) fn range(&self, block: usize) -> Range<usize> {
        let start = block * self.block;
        start..(start + self.block).min(self.features)
    }

    /// Distance between two rows of class scores: the classes, padded to whole lanes.
    pub(crate) fn score_stride(&self) -> usize {
        self.classes.next_multiple_of(LANES)
    }

    pub(crate) fn tile(&self) -> usize {
        self.tile
    }
}

/// The weights of one block of features, with Adam's moments.
///
/// Each class's weights are padded with zeros to whole lanes; the padding stays zero.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub features: Range<usize>,
    pub stride: usize,
    pub classes: usize,
    pub tile: usize,
    /// `[classes, stride]`
    pub weights: Vec<f32>,
    pub moments: Moments,
}

impl Block {
    /// Copies one block out of the weights of all features, `[classes, features]`.
    pub(crate) fn cut(blocks: &Blocks, index: usize, weights: &[f32]) -> Self {
        let features = blocks.range(index);
        let stride = features.len().next_multiple_of(LANES);
        let mut own = vec![0.0; blocks.classes * stride];
        for (own, all) in own.chunks_exact_mut(stride).zip(weights.chunks_exact(blocks.features)) {
            own[..features.len()].copy_from_slice(&all[features.clone()]);
        }
        Self {
            features,
            stride,
            classes: blocks.classes,
            tile: blocks.tile(),
            weights: own,
            moments: Moments::default(),
        }
    }

    /// Adds moments of zero, for training.
    pub(crate) fn with_moments(mut self) -> Self {
        self.moments = Moments::zero(self.weights.len());
        self
    }

    /// Copies the weights back into those of all features.
    pub(crate) fn paste(&self, all_features: usize, weights: &mut [f32]) {
        for (own, all) in self.weights.chunks_exact(self.stride).zip(weights.chunks_exact_mut(all_features)) {
            all[self.features.clone()].copy_from_slice(&own[..self.features.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_cover_every_feature_once(features in 1usize..40_000, classes in 1usize..2_000) {
            let blocks = Blocks::new(features, classes);
            let mut next = 0;
            for block in 0..blocks.count() {
                let range = blocks.range(block);
                prop_assert_eq!(range.start, next);
                prop_assert!(!range.is_empty());
                prop_assert!(range.start.is_multiple_of(LANES));
                next = range.end;
            }
            prop_assert_eq!(next, features);
            prop_assert!(blocks.tile().is_multiple_of(LANES) && blocks.tile() > 0);
        }

        #[test]
        fn cutting_and_pasting_keeps_the_weights(features in 1usize..1_200, classes in 1usize..5) {
            let weights: Vec<f32> = (0..features * classes).map(|i| i as f32).collect();
            let blocks = Blocks::new(features, classes);
            let mut back = vec![-1.0; weights.len()];
            for index in 0..blocks.count() {
                Block::cut(&blocks, index, &weights).paste(features, &mut back);
            }
            prop_assert_eq!(weights, back);
        }
    }
}
