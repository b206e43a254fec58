//! Random small plans for the conformance tests of engines, which include this file.

use dpnas_grammar::{ImageShape, Layer, Net, Plan};
use proptest::prelude::*;

/// Encoder layers of every type, with odd channel counts, strides, paddings beyond the kernel and overlapping pools.
fn layers() -> impl Strategy<Value = Layer> {
    let features = || prop_oneof![8 => 1u32..10, 1 => Just(16), 2 => 17u32..100];
    prop_oneof![
        4 => (features(), 1u32..6, 1u32..4, 0u32..3)
            .prop_map(|(features, kernel, stride, padding)| Layer::Conv { features, kernel, stride, padding }),
        1 => (features(), 1u32..3, 1u32..4, 3u32..5)
            .prop_map(|(features, kernel, stride, padding)| Layer::Conv { features, kernel, stride, padding }),
        2 => features().prop_map(|features| Layer::Residual { features }),
        2 => (1u32..5, 1u32..5).prop_map(|(size, stride)| Layer::MaxPool { size, stride }),
    ]
}

/// Plans that fit their input. Layers that do not fit or would be slow are left out.
pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let shapes = (prop_oneof![3 => Just(1u32), 3 => Just(3), 1 => 2u32..6], 1u32..13)
        .prop_map(|(channels, size)| ImageShape::square(channels, size));
    (shapes, prop::collection::vec(layers(), 0..6)).prop_map(|(shape, layers)| {
        let plan = |layers: &[Layer]| {
            let layers = layers.iter().copied().chain([Layer::Softmax { classes: 10 }]).collect();
            let plan = Net::new(layers).ok()?.plan(shape).ok()?;
            (plan.multiply_adds() < 400_000).then_some(plan)
        };
        let mut fitting = Vec::new();
        for layer in layers {
            fitting.push(layer);
            if plan(&fitting).is_none() {
                fitting.pop();
            }
        }
        plan(&fitting).expect("a net without encoder layers fits any input")
    })
}
