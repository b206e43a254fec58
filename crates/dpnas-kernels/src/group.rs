//! Number of images that a thread computes at once.

use crate::scalar::Scalar;
use dpnas_grammar::{Layer, Plan, Stage};

/// Bytes of a stage's maps that stay in a thread's cache.
const MAP_BYTES: u64 = 8 << 20;
/// Images of a group for stages with few weights and with many. A large group reads the weights less often per image.
const LIGHT: u64 = 8;
const HEAVY: u64 = 32;
/// Number of weights from which a stage counts as one with many.
const HEAVY_WEIGHTS: u64 = 1 << 20;

/// Images of a group: enough to fill the kernels' tiles, few enough for the cache. No bit of a result depends on it.
pub(crate) fn images<E: Scalar>(plan: &Plan) -> usize {
    let stages = plan.stages();
    let heaviest = stages.iter().map(|stage| stage.parameters).max().unwrap_or(0);
    let wanted = if heaviest >= HEAVY_WEIGHTS { HEAVY } else { LIGHT };
    let is_pool = |stage: &Stage| matches!(stage.layer, Layer::MaxPool { .. });
    let starts = (0..stages.len()).filter(|&index| index == 0 || !is_pool(&stages[index]));
    let largest = starts.map(|index| map_bytes::<E>(&stages[index..])).max().unwrap_or(0).max(1);
    (MAP_BYTES / largest).clamp(1, wanted) as usize
}

/// Bytes of the maps before and after the first of these stages, for one image.
fn map_bytes<E: Scalar>(stages: &[Stage]) -> u64 {
    // Pooling is mostly fused, and then the map before it is not stored.
    let output = match stages {
        [_, next, ..] if matches!(next.layer, Layer::MaxPool { .. }) => next.output,
        [stage, ..] => stage.output,
        [] => return 0,
    };
    let elements = stages[0].input.elements().unwrap_or(0).saturating_add(output.elements().unwrap_or(0));
    elements.saturating_mul(size_of::<E>() as u64)
}
