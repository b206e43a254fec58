//! How many images a thread takes through the net at once.

use crate::element::Element;
use crate::program::Fusion;
use dpnas_grammar::{Layer, Plan};

/// Bytes of maps that stay in a core's second cache.
const CACHE_BYTES: u64 = 512 << 10;

/// Images of a group: as many as stay in the cache, so that small maps fill the kernels' tiles and weights are read
/// seldom. No bit of a result depends on it.
pub(crate) fn images<E: Element>(plan: &Plan, fusion: Fusion) -> usize {
    let _ = fusion;
    if let Some(g) = std::env::var("DPNAS_G").ok().and_then(|x| x.parse().ok()) { return g }
    let stages = plan.stages();
    let bytes = |index: usize| {
        let stage = &stages[index];
        let output = match stages.get(index + 1) {
            Some(next) if matches!(next.layer, Layer::MaxPool { .. }) => next.output,
            _ => stage.output,
        };
        (stage.input.elements().unwrap_or(0) + output.elements().unwrap_or(0)) * size_of::<E>() as u64
    };
    let most = (0..stages.len()).map(bytes).max().unwrap_or(1).max(1);
    (CACHE_BYTES / most).clamp(1, 16) as usize
}
