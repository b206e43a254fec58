//! Upper bounds of an encoder's memory, and whether the allocator has it.

use dpnas_grammar::{Layer, Plan, Stage};

const F32_BYTES: u64 = 4;
/// Copies of a stage's maps: other layouts, and the results of single operations.
const COPIES: u64 = 4;
/// Output pixels whose windows are unrolled at a time.
const UNROLLED_PIXELS: u64 = 512;

/// Upper bounds of an encoder's memory on its device, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineMemory {
    /// The encoder itself while it is loaded.
    pub weights: u64,
    /// Each image of a chunk.
    pub image: u64,
}

impl EngineMemory {
    /// Upper bound for an unfused engine.
    ///
    /// Such an engine holds the drawn and the frozen weights. For an image it holds copies of the maps of the largest
    /// stage and, if that stage convolves, unrolled windows and reordered weights.
    pub fn unfused(plan: &Plan) -> Self {
        let image = plan.stages().iter().map(image).max();
        let input = plan.input().elements().unwrap_or(u64::MAX).saturating_mul(COPIES * F32_BYTES);
        Self { weights: plan.parameters().saturating_mul(2 * F32_BYTES), image: image.unwrap_or(0).max(input) }
    }
}

/// Whether the allocator can provide this many bytes at once. A failed allocation inside an engine or a library would end
/// the program, so ask before.
pub fn can_have(bytes: u64) -> bool {
    let Ok(bytes) = usize::try_from(bytes) else { return false };
    let mut probe = Vec::<u8>::new();
    // Without `black_box` the compiler may remove the unused allocation, which then always succeeds.
    probe.try_reserve_exact(bytes).is_ok() && std::hint::black_box(&mut probe).capacity() >= bytes
}

fn image(stage: &Stage) -> u64 {
    let unrolled = stage.weights().map(|conv| {
        let output = u64::from(stage.output.height).saturating_mul(stage.output.width.into());
        let window = if conv.kernel == 1 { 0 } else { conv.fan_in() };
        let tile = window.saturating_add(conv.out_channels.into()).saturating_mul(output.min(UNROLLED_PIXELS));
        tile.saturating_add(conv.weights()).saturating_mul(F32_BYTES)
    });
    let unrolled = if matches!(stage.layer, Layer::MaxPool { .. }) { 0 } else { unrolled.max().unwrap_or(0) };
    stage.activation_bytes.saturating_mul(COPIES).saturating_add(unrolled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_grammar::{ImageShape, Net};

    fn memory(net: &str) -> EngineMemory {
        EngineMemory::unfused(&net.parse::<Net>().unwrap().plan(ImageShape::square(1, 28)).unwrap())
    }

    #[test]
    fn more_than_can_be_allocated_cannot_be_had() {
        // The second is within the limit of a vector, so only the allocator can refuse it.
        assert!(can_have(0) && can_have(1 << 10) && !can_have(u64::MAX) && !can_have(1 << 60));
    }

    #[test]
    fn a_convolution_needs_its_maps_its_windows_and_its_weights() {
        let memory = memory("[C(32,5,1,2,1), P(4,4,0,0), SM(10)]");
        assert_eq!(memory.weights, 2 * 4 * 800);
        let maps = 4 * 4 * (28 * 28 + 32 * 28 * 28);
        assert_eq!(memory.image, maps + 4 * ((25 + 32) * 512 + 800));
    }

    #[test]
    fn large_kernels_need_more_than_small_ones_on_the_same_maps() {
        let with = |kernel, padding| memory(&format!("[C(64,3,1,1,1), C(64,{kernel},1,{padding},1), SM(10)]")).image;
        assert!(with(11, 5) > with(3, 1) + 4 * 512 * 64 * 100);
    }

    #[test]
    fn without_layers_the_image_is_counted() {
        assert_eq!(memory("[SM(10)]"), EngineMemory { weights: 0, image: 16 * 784 });
    }
}
