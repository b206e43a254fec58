//! The cut of a mini-batch into blocks, and the maps held for the backward pass.

use crate::program::Program;
use dpnas_grammar::{Layer, Plan};
use dpnas_train::FullError;
use std::num::NonZeroUsize;

const F32_BYTES: u64 = 4;

/// Maps of the mini-batch besides held ones: one between two norms, and the gradients on both sides of a norm.
const MOVING_MAPS: u64 = 3;

/// Copies of a layer's activations while it and its gradients are computed.
const WORKSPACE_FACTOR: u64 = 4;

/// Arrays of the size of the weights.
const WEIGHT_COPIES: u64 = 6;

/// The cut of a mini-batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Images of a block.
    pub(crate) block: usize,
    /// Blocks computed at once.
    pub(crate) lanes: usize,
    /// For each norm, whether its input is held for the backward pass.
    pub(crate) held: Vec<bool>,
}

/// The size of a block: a power of two of images. It decides how sums are rounded, so it depends only on the net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockSize {
    /// Target for the activations of a block's largest layer, in bytes.
    pub(crate) bytes: u64,
    /// Fewest and most images.
    pub(crate) images: [usize; 2],
}

impl BlockSize {
    fn of(&self, plan: &Plan, batch_size: usize) -> usize {
        let images = usize::try_from(self.bytes / plan.peak_activation_bytes().max(1)).unwrap_or(usize::MAX);
        let [fewest, most] = self.images;
        let power = images.clamp(fewest, most).checked_ilog2().map_or(1, |log| 1 << log);
        power.min(batch_size.max(1))
    }
}

impl Cut {
    /// Fits a mini-batch into a budget of bytes: first one block, then more at once, then inputs of norms.
    pub(crate) fn new(
        plan: &Plan,
        program: &Program,
        batch_size: usize,
        size: BlockSize,
        lanes: usize,
        budget: u64,
    ) -> Result<Self, FullError> {
        let block = size.of(plan, batch_size);
        let batch = batch_size as u64;
        let maps: Vec<u64> =
            program.border_elements.iter().map(|&elements| elements as u64 * F32_BYTES * batch).collect();
        let moving = maps.iter().copied().max().unwrap_or(0).saturating_mul(MOVING_MAPS);
        let mut working = workspace(plan).saturating_mul(block as u64).max(1);
        if maps.is_empty() {
            // Without norms there is one segment, and a block saves all of it.
            let all: u64 = plan.stages().iter().map(|stage| stage.activation_bytes).sum();
            working = working.saturating_add(all.saturating_mul(block as u64));
        }
        // Arrays: weights, gradients, Adam's two means, the copy on the device and the copy for a checkpoint.
        let weights = plan.parameters().saturating_add(plan.classifier_parameters());
        let weights = weights.saturating_mul(WEIGHT_COPIES * F32_BYTES);
        let needed = moving.saturating_add(working).saturating_add(weights);
        let Some(rest) = budget.checked_sub(needed) else {
            return Err(FullError::OverBudget { batch: batch_size, needed, budget });
        };
        let more = usize::try_from(rest / working).unwrap_or(usize::MAX).min(lanes.saturating_sub(1));
        let mut rest = rest - working * more as u64;
        // Small maps first, to hold the most norms.
        let mut order: Vec<usize> = (0..maps.len()).collect();
        order.sort_by_key(|&norm| maps[norm]);
        let mut held = vec![false; maps.len()];
        for norm in order {
            if let Some(left) = rest.checked_sub(maps[norm]) {
                (held[norm], rest) = (true, left);
            }
        }
        Ok(Self { block, lanes: 1 + more, held })
    }
}

/// The number of threads, limited by the images computed at once.
pub(crate) fn lanes(threads: usize, block: usize, largest_chunk: NonZeroUsize) -> usize {
    threads.min(largest_chunk.get() / block.max(1)).max(1)
}

/// Bytes for one image while a layer and its gradients are computed: its maps, and the patches under one row of the
/// kernel.
fn workspace(plan: &Plan) -> u64 {
    let stages = plan.stages().iter().map(|stage| {
        let kernel = match stage.layer {
            Layer::Conv { kernel, .. } => u64::from(kernel),
            Layer::Residual { .. } => 3,
            _ => 0,
        };
        stage.activation_bytes.saturating_mul(WORKSPACE_FACTOR + kernel)
    });
    stages.max().unwrap_or_else(|| plan.peak_activation_bytes().saturating_mul(WORKSPACE_FACTOR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_grammar::{ImageShape, Net};
    use dpnas_prior::{Prior, WeightInit};
    use dpnas_seed::Seed;
    use dpnas_train::FullConfig;

    const SIZE: BlockSize = BlockSize { bytes: 64 << 10, images: [4, 32] };

    fn cut(budget: u64) -> Result<Cut, FullError> {
        let net: Net = "[C(16,3,1,1,1), P(2,2,0,0), C(16,3,1,1,1), C(32,1,1,0,1), SM(10)]".parse().unwrap();
        let plan = net.plan(ImageShape::square(1, 16)).unwrap();
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1)).unwrap();
        let (program, _) = crate::program::build(&prior, &FullConfig::paper(Seed(1)));
        Cut::new(&plan, &program, 64, SIZE, 4, budget)
    }

    #[test]
    fn a_larger_budget_gives_more_lanes_and_then_more_held_maps_and_never_another_block() {
        // Largest layer: input 1 KiB and output 16 KiB an image, so blocks of 2 round up to the fewest, 4.
        let all = cut(1 << 40).unwrap();
        assert_eq!(all, Cut { block: 4, lanes: 4, held: vec![true; 3] });
        let FullError::OverBudget { needed, .. } = cut(0).unwrap_err() else { panic!("0 bytes are not enough") };
        // Three maps of 16·16·16 numbers for 64 images; seven times 17 KiB for 4; six arrays of the weights.
        let weights = 16 * 9 + 16 * 16 * 9 + 16 * 32 + 32 * 8 * 8 * 10;
        assert_eq!(needed, 3 * 64 * (16 << 10) + 4 * 7 * (17 << 10) + 6 * 4 * weights);
        assert_eq!(cut(needed).unwrap(), Cut { block: 4, lanes: 1, held: vec![false; 3] });
        let more = needed + 3 * 4 * 7 * (17 << 10);
        assert_eq!(cut(more).unwrap(), Cut { block: 4, lanes: 4, held: vec![false; 3] });
        // The pooled maps have 16·8·8 and 32·8·8 numbers.
        assert_eq!(cut(more + 64 * (4 << 10)).unwrap().held, [false, true, false]);
        assert_eq!(cut(more + 64 * (12 << 10)).unwrap().held, [false, true, true]);
        assert!(matches!(cut(needed - 1), Err(FullError::OverBudget { .. })));
    }

    #[test]
    fn a_limit_of_images_limits_the_lanes() {
        assert_eq!(lanes(8, 16, NonZeroUsize::new(64).unwrap()), 4);
        assert_eq!(lanes(2, 16, NonZeroUsize::new(64).unwrap()), 2);
        assert_eq!(lanes(8, 16, NonZeroUsize::MIN), 1);
    }
}
