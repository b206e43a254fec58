//! Why a net cannot be computed on an input.

use crate::{ImageShape, Layer};

/// A net that cannot be computed on an input.
///
/// Indices count from 0; the messages count layers from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The input has no channels or no pixels.
    #[error("the input {input} is empty; channels, height and width are at least 1")]
    EmptyInput {
        /// The input's shape.
        input: ImageShape,
    },
    /// Height and width of the input differ.
    #[error("the input {input} is not square; resize or crop the images to the same height and width")]
    NotSquare {
        /// The input's shape.
        input: ImageShape,
    },
    /// A convolution's kernel does not fit into the padded map.
    #[error(
        "layer {}, `{layer}`: the kernel {kernel} is larger than the {map} map with padding {padding}; \
         use a kernel of at most {} or a padding of at least {}",
        .index + 1, largest_kernel(.map, .padding), least_padding(.map, .kernel)
    )]
    KernelTooLarge {
        /// Index of the layer.
        index: usize,
        /// The layer.
        layer: Layer,
        /// The map before the layer.
        map: ImageShape,
        /// Kernel size, in pixels.
        kernel: u32,
        /// Zero padding on each side, in pixels.
        padding: u32,
    },
    /// A pooling window does not fit into the map.
    #[error(
        "layer {}, `{layer}`: the pooling window {size} is larger than the {map} map; \
         use a window of at most {} or leave the layer out",
        .index + 1, .map.height
    )]
    WindowTooLarge {
        /// Index of the layer.
        index: usize,
        /// The layer.
        layer: Layer,
        /// The map before the layer.
        map: ImageShape,
        /// Window size, in pixels.
        size: u32,
    },
    /// A number of the plan does not fit: 32 bits for a map's side, 64 for everything else.
    #[error(
        "layer {}, `{layer}`, on a {map} map: the number of {quantity} is too large to count; \
         use smaller numbers in this layer or before it",
        .index + 1
    )]
    TooLarge {
        /// Index of the layer.
        index: usize,
        /// The layer.
        layer: Layer,
        /// The map before the layer.
        map: ImageShape,
        /// What does not fit.
        quantity: &'static str,
    },
}

/// The largest kernel that fits into the padded map.
fn largest_kernel(map: &ImageShape, padding: &u32) -> u64 {
    u64::from(map.height) + 2 * u64::from(*padding)
}

/// The least padding with which the kernel fits into the map.
fn least_padding(map: &ImageShape, kernel: &u32) -> u32 {
    kernel.saturating_sub(map.height).div_ceil(2)
}
