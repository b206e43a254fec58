//! Upper bound of the memory for a plan.

use crate::group;
use crate::kernel::{scratch_bytes, tile_scratch_bytes};
use crate::scalar::Scalar;
use crate::winograd::WinogradTile;
use dpnas_grammar::{ConvShape, Plan, Stage};
use dpnas_prior::EngineMemory;

/// Number of threads whose buffers are counted, for any chunk. Each further thread needs the same amount.
const THREADS: u64 = 2;
/// Workspaces of a thread: one with fused pooling, and one without for measuring.
const WORKSPACES: u64 = 2;
/// Factor for padding to whole vectors and for borders; too small only for tiny maps.
const PADDING: u64 = 2;

/// Bytes of the weights, drawn and packed, with the buffers of the threads, and of the maps of one image.
///
/// A plan's activation bytes are those of `f32`, which is more than bf16 needs.
pub(crate) fn memory<E: Scalar>(plan: &Plan) -> EngineMemory {
    let stages = plan.stages().iter();
    let convs: Vec<(ConvShape, &Stage)> =
        stages.flat_map(|stage| stage.weights().map(move |conv| (conv, stage))).collect();
    let weights = convs.iter().map(|(conv, stage)| packed::<E>(conv, stage)).fold(0, u64::saturating_add);
    let image = plan.peak_activation_bytes().saturating_mul(WORKSPACES * PADDING).max(1);
    let scratch = convs.iter().map(|(conv, stage)| scratch::<E>(conv, stage)).max().unwrap_or(0);
    let group = image.saturating_mul(group::images::<E>(plan) as u64);
    let threads = group.saturating_add(scratch).saturating_mul(THREADS);
    let drawn = plan.parameters().saturating_mul(4);
    EngineMemory { weights: weights.saturating_add(drawn).saturating_add(threads), image }
}

/// Bytes of one convolution's weights, the larger of direct and transformed ones.
fn packed<E: Scalar>(conv: &ConvShape, stage: &Stage) -> u64 {
    let channels = |n: u32| u64::from(n).next_multiple_of(16);
    let taps = u64::from(conv.kernel).saturating_mul(conv.kernel.into());
    let direct = channels(conv.in_channels).saturating_mul(channels(conv.out_channels)).saturating_mul(taps * 4);
    direct.max(
        WinogradTile::choose::<E>(conv, stage.output.height as usize).map_or(0, |tile| tile.weight_bytes(conv) as u64),
    )
}

/// Bytes of one thread's buffers, the larger of those for Winograd and for matrix tiles.
fn scratch<E: Scalar>(conv: &ConvShape, stage: &Stage) -> u64 {
    let winograd =
        WinogradTile::choose::<E>(conv, stage.output.height as usize).map_or(0, |tile| scratch_bytes(tile, conv));
    // Only numbers that are multiplied in pairs become matrix tiles.
    let tiles = if E::STEP > 1 { tile_scratch_bytes(conv.out_channels as usize) } else { 0 };
    winograd.max(tiles) as u64
}

#[cfg(test)]
mod tests {
    use crate::engine::Loaded;
    use crate::level::Level;
    use crate::{CpuEngine, Precision};
    use dpnas_grammar::{ImageShape, Net};
    use dpnas_prior::{Engine, Prior, WeightInit};
    use dpnas_seed::Seed;
    use half::bf16;

    #[test]
    #[cfg_attr(miri, ignore = "draws large weights, all of it safe code")]
    fn the_maps_of_a_group_are_within_the_estimate() {
        for net in [
            "[C(32,5,1,2,1), P(4,4,0,0), C(32,3,1,1,0), C(64,1,1,0,1), C(32,3,1,0,1), SM(10)]",
            "[C(16,3,1,1,1), P(2,2,0,0), C(32,3,1,1,1), P(2,2,0,0), C(64,3,1,1,1), SM(10)]",
            "[C(32,3,1,1,0), P(4,4,0,0), C(64,3,1,1,0), C(128,3,1,0,1), SM(10)]",
            "[C(16,11,1,0,1), C(32,11,1,0,1), C(64,3,1,0,1), C(64,1,1,0,1), C(64,1,1,0,1), SM(10)]",
            "[C(64,7,2,3,1), P(3,2,0,0), C(64,3,1,1,0), SM(10)]",
        ] {
            let plan = net.parse::<Net>().unwrap().plan(ImageShape::square(1, 28)).unwrap();
            let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(0)).unwrap();
            let (portable, tiles) = (Level::portable(), Level::tiles_in_plain_code());
            let [f32, half] = [(portable, Precision::F32), (tiles, Precision::Bf16)].map(|(l, p)| CpuEngine::at(l, p));
            for ((bytes, images), engine) in [
                (Loaded::<f32>::new(&f32, &prior).map_bytes(), &f32),
                (Loaded::<bf16>::new(&half, &prior).map_bytes(), &half),
            ] {
                let estimate = engine.memory(&plan).image * images as u64;
                assert!(bytes as u64 <= estimate, "{net} on {}: {bytes} bytes, estimated {estimate}", engine.name());
            }
        }
    }
}
