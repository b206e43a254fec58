//! One encoder layer of a plan: shapes, cost and weights.

use crate::{ConvShape, ImageShape, Layer, PlanError, window_output};

const F32_BYTES: u64 = 4;

/// One encoder layer on a known map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Stage {
    /// The layer: a convolution, a residual block or a pooling layer.
    pub layer: Layer,
    /// The input map.
    pub input: ImageShape,
    /// The output map.
    pub output: ImageShape,
    /// Multiply-adds of the convolutions for one image, those of a residual block's projection included.
    pub multiply_adds: u64,
    /// Weights of the convolutions.
    pub parameters: u64,
    /// Peak bytes of the `f32` maps of one image that are alive at once.
    ///
    /// - Convolution, pooling: input + output; normalisation and ReLU work in place on the output.
    /// - Residual block that keeps the channels: input (it is the skip path) + inner map + output = input + 2 · output.
    ///   The activated input is gone before the second convolution starts.
    /// - Residual block with a projection: input + activated input (the projection reads it last) + two maps of the
    ///   output's size (first the inner map and the sum's one side, then both sides of the sum) = 2 · input + 2 · output.
    ///
    /// The input counts to the end, because the caller may keep it. Buffers inside a convolution do not count.
    pub activation_bytes: u64,
}

impl Stage {
    /// The convolutions in the order of computation; none for pooling.
    ///
    /// A convolution has one. A residual block has two of 3×3, in → out and out → out, and if the channels differ a
    /// third, the 1×1 projection in → out.
    ///
    /// # Source
    /// SPEC §6.
    pub fn weights(&self) -> impl Iterator<Item = ConvShape> + use<> {
        convolutions(self.layer, self.input.channels)
    }

    /// Plans the layer at `index` of a net.
    pub(crate) fn plan(index: usize, layer: Layer, input: ImageShape) -> Result<Self, PlanError> {
        let too_large = |quantity| PlanError::TooLarge { index, layer, map: input, quantity };
        let output = output(index, layer, input)?;
        let (mut multiply_adds, mut parameters) = (Some(0u64), Some(0u64));
        for conv in convolutions(layer, input.channels) {
            let weights = conv.checked_weights();
            // Height × width always fits: both are u32.
            let pixels = u64::from(output.height) * u64::from(output.width);
            parameters = sum(parameters, weights);
            multiply_adds = sum(multiply_adds, weights.and_then(|weights| weights.checked_mul(pixels)));
        }
        Ok(Self {
            layer,
            input,
            output,
            multiply_adds: multiply_adds.ok_or_else(|| too_large("multiply-adds"))?,
            parameters: parameters.ok_or_else(|| too_large("weights"))?,
            activation_bytes: activation_bytes(layer, input, output).ok_or_else(|| too_large("activation bytes"))?,
        })
    }
}

/// Bytes of one `f32` map, or `None` if they do not fit `u64`.
pub(crate) fn map_bytes(map: ImageShape) -> Option<u64> {
    map.elements()?.checked_mul(F32_BYTES)
}

/// The sum, or `None` if a side is missing or the sum does not fit.
pub(crate) fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a?.checked_add(b?)
}

fn output(index: usize, layer: Layer, input: ImageShape) -> Result<ImageShape, PlanError> {
    let (channels, kernel, stride, padding) = match layer {
        Layer::Conv { features, kernel, stride, padding } => (features, kernel, stride, padding),
        Layer::Residual { features } => (features, 3, 1, 1),
        Layer::MaxPool { size, stride } => (input.channels, size, stride, 0),
        Layer::Linear { .. } | Layer::Softmax { .. } => unreachable!("a stage is an encoder layer"),
    };
    match window_output(input.height, kernel, stride, padding) {
        Some(size) => Ok(ImageShape::square(channels, size)),
        None if u64::from(kernel) <= u64::from(input.height) + 2 * u64::from(padding) => {
            Err(PlanError::TooLarge { index, layer, map: input, quantity: "output pixels per side" })
        }
        None if matches!(layer, Layer::MaxPool { .. }) => {
            Err(PlanError::WindowTooLarge { index, layer, map: input, size: kernel })
        }
        None => Err(PlanError::KernelTooLarge { index, layer, map: input, kernel, padding }),
    }
}

fn convolutions(layer: Layer, in_channels: u32) -> impl Iterator<Item = ConvShape> + use<> {
    let conv = |in_channels, out_channels, kernel, stride, padding| {
        Some(ConvShape { in_channels, out_channels, kernel, stride, padding })
    };
    let list = match layer {
        Layer::Conv { features, kernel, stride, padding } => {
            [conv(in_channels, features, kernel, stride, padding), None, None]
        }
        Layer::Residual { features } => {
            let projection = if features == in_channels { None } else { conv(in_channels, features, 1, 1, 0) };
            [conv(in_channels, features, 3, 1, 1), conv(features, features, 3, 1, 1), projection]
        }
        Layer::MaxPool { .. } | Layer::Linear { .. } | Layer::Softmax { .. } => [None; 3],
    };
    list.into_iter().flatten()
}

fn activation_bytes(layer: Layer, input: ImageShape, output: ImageShape) -> Option<u64> {
    let (input_bytes, output_bytes) = (map_bytes(input)?, map_bytes(output)?);
    let (inputs, outputs) = match layer {
        Layer::Residual { features } if features == input.channels => (1, 2),
        Layer::Residual { .. } => (2, 2),
        _ => (1, 1),
    };
    sum(input_bytes.checked_mul(inputs), output_bytes.checked_mul(outputs))
}
