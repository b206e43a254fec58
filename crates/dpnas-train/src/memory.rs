//! The memory of a fit without its rows.

use crate::block::Blocks;
use crate::feed::BUFFERS;
use crate::order::{EVALUATION_ROWS, stored_rows_at_once};
use crate::{Element, ProbeConfig, TrainError};
use dpnas_prior::can_have;

const F32_BYTES: u64 = 4;

/// Bytes of a fit, without rows in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FitMemory {
    /// The weights, their copy in the result, and Adam's two means.
    pub weights: u64,
    /// Class scores of a batch from each block of features, and the rows that drop-out copies.
    pub scores: u64,
    /// Buffers for [stored](crate::Labelled::stored) rows; a fit on rows in memory has none.
    pub buffers: u64,
}

/// The memory of a fit of `classes` classes on rows of `features` values of type `E`.
pub fn fit_memory<E: Element>(config: &ProbeConfig, classes: u32, features: usize) -> FitMemory {
    let blocks = Blocks::new(features.max(1), classes as usize);
    let product = |start: u64, factors: [usize; 3]| factors.iter().fold(start, |all, &n| all.saturating_mul(n as u64));
    let bytes = |factors| product(F32_BYTES, factors);
    let rows = config.batch_size.max(EVALUATION_ROWS);
    let dropped = if config.drop_out > 0.0 { bytes([config.batch_size, features, 1]) } else { 0 };
    FitMemory {
        weights: bytes([4, classes as usize, features]),
        scores: bytes([blocks.count() + 3, rows, blocks.score_stride()]).saturating_add(dropped),
        buffers: product(
            size_of::<E>() as u64,
            [BUFFERS, config.batch_size.max(stored_rows_at_once(config)), features],
        ),
    }
}

impl FitMemory {
    /// No fit.
    pub const NONE: Self = Self { weights: 0, scores: 0, buffers: 0 };

    /// Refuses what the allocator cannot provide, because a failed allocation later would end the program.
    pub(crate) fn reserve(&self, classes: u32, features: usize) -> Result<(), TrainError> {
        let bytes = self.weights.saturating_add(self.scores);
        if can_have(bytes) { Ok(()) } else { Err(TrainError::OutOfMemory { classes, features, bytes }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_seed::Seed;

    #[test]
    fn the_memory_of_a_fit_is_the_sum_of_its_parts() {
        let paper = ProbeConfig::paper(Seed(1));
        let memory = fit_memory::<f32>(&paper, 10, 20_000);
        assert_eq!(memory.weights, 4 * 4 * 10 * 20_000);
        // Ten classes are padded to sixteen.
        assert_eq!(memory.scores, 4 * (Blocks::new(20_000, 10).count() as u64 + 3) * 256 * 16);
        assert_eq!(memory.buffers, 4 * 3 * 128 * 20_000);
        let half = fit_memory::<crate::Bf16>(&paper, 10, 20_000);
        assert_eq!(half, FitMemory { buffers: memory.buffers / 2, ..memory });
        let dropping = fit_memory::<f32>(&ProbeConfig { drop_out: 0.5, ..paper }, 10, 20_000);
        assert_eq!(dropping.scores - memory.scores, 4 * 128 * 20_000);
    }

    #[test]
    fn more_memory_than_can_be_allocated_is_an_error() {
        // The second is within the limit of a vector, so only the allocator can refuse it.
        for features in [usize::MAX >> 16, 1 << 36] {
            let memory = fit_memory::<f32>(&ProbeConfig::paper(Seed(1)), 1 << 20, features);
            let error = memory.reserve(1 << 20, 5).unwrap_err();
            assert!(matches!(error, TrainError::OutOfMemory { features: 5, .. }), "{error}");
        }
    }
}
