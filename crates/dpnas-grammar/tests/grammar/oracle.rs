//! A second, naive computation of a plan, in 128 bits.

use dpnas_grammar::{ImageShape, Layer, Net};

/// The numbers of a plan.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Output, multiply-adds, parameters and activation bytes of each stage.
    pub(crate) stages: Vec<(ImageShape, u64, u64, u64)>,
    pub(crate) features: u64,
    pub(crate) multiply_adds: u64,
    pub(crate) parameters: u64,
    pub(crate) classifier_parameters: u64,
    pub(crate) peak_activation_bytes: u64,
}

/// The plan of `net` on a square input; `None` if a window does not fit or a number does not fit its type.
pub(crate) fn numbers(net: &Net, input: ImageShape) -> Option<Numbers> {
    let mut map = input;
    let mut stages = Vec::new();
    let (mut features, mut classifier) = (None, 0u128);
    let (mut multiply_adds, mut parameters, mut peak) = (0u128, 0u128, None);
    for &layer in net.layers() {
        match layer {
            Layer::Linear { units: outputs } | Layer::Softmax { classes: outputs } => {
                let inputs = features.unwrap_or(elements(map));
                classifier = classifier.saturating_add(inputs.saturating_mul(outputs.into()));
                features = Some(outputs.into());
            }
            _ => {
                let (next, weights, bytes) = stage(layer, map)?;
                let operations = product(&[weights, next.height.into(), next.width.into()]);
                stages.push((next, fit(operations)?, fit(weights)?, fit(bytes)?));
                multiply_adds += operations;
                parameters += weights;
                peak = peak.max(Some(bytes));
                map = next;
            }
        }
    }
    Some(Numbers {
        stages,
        features: fit(elements(map))?,
        multiply_adds: fit(multiply_adds)?,
        parameters: fit(parameters)?,
        classifier_parameters: fit(classifier)?,
        peak_activation_bytes: fit(peak.unwrap_or(elements(input).saturating_mul(4)))?,
    })
}

/// Output, weights and activation bytes of one encoder layer.
fn stage(layer: Layer, map: ImageShape) -> Option<(ImageShape, u128, u128)> {
    let bytes = |map| elements(map).saturating_mul(4);
    match layer {
        Layer::Conv { features, kernel, stride, padding } => {
            let output = ImageShape::square(features, positions(map.height, kernel, stride, padding)?);
            let weights = product(&[map.channels.into(), features.into(), kernel.into(), kernel.into()]);
            Some((output, weights, bytes(map).saturating_add(bytes(output))))
        }
        Layer::MaxPool { size, stride } => {
            let output = ImageShape::square(map.channels, positions(map.height, size, stride, 0)?);
            Some((output, 0, bytes(map).saturating_add(bytes(output))))
        }
        Layer::Residual { features } => {
            let output = ImageShape::square(features, map.height);
            let (from, to) = (u128::from(map.channels), u128::from(features));
            let (projection, copies) = if from == to { (0, 0) } else { (from * to, 1) };
            let weights = 9 * from * to + 9 * to * to + projection;
            let alive = [bytes(map), bytes(map).saturating_mul(copies), bytes(output), bytes(output)];
            Some((output, weights, alive.into_iter().fold(0, u128::saturating_add)))
        }
        Layer::Linear { .. } | Layer::Softmax { .. } => None,
    }
}

/// Positions of a window on one axis: counted one by one where that ends soon.
fn positions(size: u32, kernel: u32, stride: u32, padding: u32) -> Option<u32> {
    let room = u128::from(size) + u128::from(padding) + u128::from(padding);
    let (kernel, stride) = (u128::from(kernel), u128::from(stride));
    let count = if room < 10_000 {
        (0..room).step_by(stride as usize).take_while(|start| start + kernel <= room).count() as u128
    } else if kernel <= room {
        (room - kernel) / stride + 1
    } else {
        0
    };
    u32::try_from(count).ok().filter(|&count| count > 0)
}

fn elements(map: ImageShape) -> u128 {
    product(&[map.channels.into(), map.height.into(), map.width.into()])
}

fn product(factors: &[u128]) -> u128 {
    factors.iter().fold(1, |product, factor| product.saturating_mul(*factor))
}

fn fit(number: u128) -> Option<u64> {
    number.try_into().ok()
}
