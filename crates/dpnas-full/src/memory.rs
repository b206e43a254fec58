//! The memory of a training, the cut of a mini-batch into blocks, and the maps held for the backward pass.

use crate::program::{Op, Program, Segment, Weight};
use dpnas_grammar::{ImageShape, Layer, Plan, Stage};
use dpnas_train::FullError;
use std::num::NonZeroUsize;

const F32_BYTES: u64 = 4;

/// Maps of the mini-batch besides held ones: one between two norms, and the gradients on both sides of a norm.
const MOVING_MAPS: u64 = 3;

/// Copies of a layer's activations while it and its gradients are computed.
const WORKSPACE_FACTOR: u64 = 4;

/// Arrays of the size of all weights: the weights, Adam's two means, the copy on the device and the gradient.
const WEIGHT_COPIES: u64 = 5;

/// Output pixels whose windows a convolution unrolls at a time, and the threads that do so for one block.
const UNROLLED_PIXELS: u64 = 512;
const UNROLLING_THREADS: u64 = 2;

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

/// What a kind of device needs besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overhead {
    /// Bytes of the whole training.
    pub(crate) fixed: u64,
    /// Bytes of a block.
    pub(crate) lane: u64,
    /// The stored channels of a pixel are a multiple of this.
    pub(crate) channel_block: u32,
    /// Whether the patches under one row of a kernel are copied.
    pub(crate) unrolls: bool,
}

/// The memory that a training needs, in bytes. It follows from the plan, before anything is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// Images of a mini-batch and of a block.
    batch: usize,
    block: usize,
    /// Weights in all their copies, and the maps of the mini-batch that are always there.
    fixed: u64,
    /// One block, with the gradients of a segment's weights.
    lane: u64,
    /// The input of each norm for the whole mini-batch.
    maps: Vec<u64>,
}

impl Need {
    /// The need of a plan on mini-batches, with that of the device for blocks of some images.
    pub(crate) fn new(
        plan: &Plan,
        program: &Program,
        batch_size: usize,
        size: BlockSize,
        overhead: impl FnOnce(usize) -> Overhead,
    ) -> Self {
        let block = size.of(plan, batch_size);
        let overhead = overhead(block);
        let bytes = |values: u64, images: usize| values.saturating_mul(F32_BYTES).saturating_mul(images as u64);
        let maps: Vec<u64> =
            program.border_elements(overhead.channel_block as usize).map(|map| bytes(map as u64, batch_size)).collect();
        let moving = maps.iter().copied().max().unwrap_or(0).saturating_mul(MOVING_MAPS);
        let image = plan
            .stages()
            .iter()
            .map(|stage| of_image(stage, &overhead))
            .chain(linear(program).map(|bytes| bytes.saturating_mul(WORKSPACE_FACTOR)));
        let mut activations = image.max().unwrap_or(0);
        if maps.is_empty() {
            // Without norms there is one segment, and a block saves all of it.
            let all = plan.stages().iter().map(|stage| activations_of(stage, &overhead)).chain(linear(program));
            activations = all.fold(activations, u64::saturating_add);
        }
        let of_segment = |segment: &Segment| {
            let weights = segment.ops.iter().filter_map(Op::weight);
            weights.map(|weight| program.weights[weight].values()).fold(0, u64::saturating_add)
        };
        let gradient = bytes(program.segments.iter().map(of_segment).max().unwrap_or(0), 1);
        let weights = program.weights.iter().map(Weight::values);
        let largest = bytes(weights.clone().max().unwrap_or(0), 1);
        let all = bytes(weights.fold(0, u64::saturating_add), 1).saturating_mul(WEIGHT_COPIES);
        let lane = [activations.saturating_mul(block as u64), overhead.lane, gradient, largest];
        Self {
            batch: batch_size,
            block,
            fixed: moving.saturating_add(all).saturating_add(gradient).saturating_add(overhead.fixed),
            lane: lane.into_iter().fold(1, u64::saturating_add),
            maps,
        }
    }

    /// The least with which the training is possible: one block at a time, and no input of a norm held.
    pub(crate) fn least(&self) -> u64 {
        self.fixed.saturating_add(self.lane)
    }

    /// The error of a training for which there is not even the least.
    pub(crate) fn over(&self, budget: u64) -> FullError {
        FullError::OverBudget { batch: self.batch, needed: self.least(), budget }
    }

    /// The memory of a cut.
    pub(crate) fn bytes(&self, cut: &Cut) -> u64 {
        let held = self.maps.iter().zip(&cut.held).filter(|(_, held)| **held).map(|(map, _)| *map);
        held.fold(self.fixed.saturating_add(self.lane.saturating_mul(cut.lanes as u64)), u64::saturating_add)
    }

    /// Fits a mini-batch into a budget of bytes: first one block, then more at once, then inputs of norms.
    pub(crate) fn cut(&self, lanes: usize, budget: u64) -> Result<Cut, FullError> {
        let rest = budget.checked_sub(self.least()).ok_or_else(|| self.over(budget))?;
        let more = usize::try_from(rest / self.lane).unwrap_or(usize::MAX).min(lanes.saturating_sub(1));
        let mut rest = rest - self.lane * more as u64;
        // Small maps first, to hold the most norms.
        let mut order: Vec<usize> = (0..self.maps.len()).collect();
        order.sort_by_key(|&norm| self.maps[norm]);
        let mut held = vec![false; self.maps.len()];
        for norm in order {
            if let Some(left) = rest.checked_sub(self.maps[norm]) {
                (held[norm], rest) = (true, left);
            }
        }
        Ok(Cut { block: self.block, lanes: 1 + more, held })
    }
}

/// The number of threads, limited by the images computed at once.
pub(crate) fn lanes(threads: usize, block: usize, largest_chunk: NonZeroUsize) -> usize {
    threads.min(largest_chunk.get() / block.max(1)).max(1)
}

/// Bytes for one image while a stage and its gradients are computed: its maps, and the patches under one row of the
/// kernel where they are copied.
fn of_image(stage: &Stage, overhead: &Overhead) -> u64 {
    let kernel = match stage.layer {
        Layer::Conv { kernel, .. } if overhead.unrolls => u64::from(kernel),
        Layer::Residual { .. } if overhead.unrolls => 3,
        _ => 0,
    };
    activations_of(stage, overhead).saturating_mul(WORKSPACE_FACTOR + kernel)
}

/// Bytes of a stage's maps for one image, with the channels that only pad.
fn activations_of(stage: &Stage, overhead: &Overhead) -> u64 {
    let padding = |shape: ImageShape| {
        let more = shape.channels.next_multiple_of(overhead.channel_block) - shape.channels;
        u64::from(more).saturating_mul(u64::from(shape.height) * u64::from(shape.width)).saturating_mul(F32_BYTES)
    };
    stage.activation_bytes.saturating_add(padding(stage.input)).saturating_add(padding(stage.output))
}

/// Bytes that the convolutions of burn's backends unroll.
pub(crate) fn unrolled(plan: &Plan) -> Overhead {
    let lane = plan.stages().iter().map(of_convolution).max().unwrap_or(0);
    Overhead { fixed: 0, lane, channel_block: 1, unrolls: true }
}

/// Bytes that a convolution unrolls beside: windows on some pixels of its output on the way there, and those of a whole
/// image on the way back.
fn of_convolution(stage: &Stage) -> u64 {
    let pixels = u64::from(stage.output.height).saturating_mul(stage.output.width.into());
    let at_once = (pixels.min(UNROLLED_PIXELS) * UNROLLING_THREADS).max(pixels);
    let largest = stage.weights().map(|conv| conv.fan_in()).max().unwrap_or(0);
    largest.saturating_mul(at_once).saturating_mul(F32_BYTES)
}

/// Bytes of the inputs and outputs of each fully connected layer for one image.
fn linear(program: &Program) -> impl Iterator<Item = u64> {
    let layers = program.segments.iter().flat_map(|segment| &segment.ops).filter_map(|op| match op {
        Op::Linear { weight } => Some(&program.weights[*weight].shape),
        _ => None,
    });
    layers.map(|[units, inputs, ..]| (*units as u64).saturating_add(*inputs as u64).saturating_mul(F32_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_grammar::Net;
    use dpnas_seed::Seed;
    use dpnas_train::FullConfig;

    const SIZE: BlockSize = BlockSize { bytes: 64 << 10, images: [4, 32] };

    fn cut(budget: u64) -> Result<Cut, FullError> {
        let net: Net = "[C(16,3,1,1,1), P(2,2,0,0), C(16,3,1,1,1), C(32,1,1,0,1), SM(10)]".parse().unwrap();
        let plan = net.plan(ImageShape::square(1, 16)).unwrap();
        Need::new(&plan, &crate::program::build(&plan, &FullConfig::paper(Seed(1))), 64, SIZE, |_| unrolled(&plan))
            .cut(4, budget)
    }

    #[test]
    fn a_larger_budget_gives_more_lanes_and_then_more_held_maps_and_never_another_block() {
        // Largest layer: input 1 KiB and output 16 KiB an image, so blocks of 2 round up to the fewest, 4.
        let all = cut(1 << 40).unwrap();
        assert_eq!(all, Cut { block: 4, lanes: 4, held: vec![true; 3] });
        let FullError::OverBudget { needed, .. } = cut(0).unwrap_err() else { panic!("0 bytes are not enough") };
        // Three maps of 16·16·16 numbers for 64 images; seven times 17 KiB for 4, and windows of 16·9 numbers on two times
        // 64 pixels; five arrays of the weights; for the largest, that of the classifier, the gradient of all blocks, that of
        // one block and one copy.
        let largest = 32 * 8 * 8 * 10;
        let weights = 16 * 9 + 16 * 16 * 9 + 16 * 32 + largest;
        let lane = 4 * 7 * (17 << 10) + 4 * 16 * 9 * 2 * 64 + 2 * 4 * largest + 1;
        assert_eq!(needed, 3 * 64 * (16 << 10) + lane + 5 * 4 * weights + 4 * largest);
        assert_eq!(cut(needed).unwrap(), Cut { block: 4, lanes: 1, held: vec![false; 3] });
        let more = needed + 3 * lane;
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
