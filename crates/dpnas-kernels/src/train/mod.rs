//! Convolutions of a training, forward and backward, and the loops over maps between them.
//!
//! The three products of a convolution take the loops of the encoder: the gradient by the input is a convolution of the
//! gradient's map with turned weights, and in the gradient by the weights, pixels and weights change places. A fully connected
//! layer is a convolution as large as its map.

mod convolution;
mod map;
#[cfg(test)]
mod tests;
mod way;

pub use crate::layout::CHANNEL_BLOCK;
pub use convolution::{Convolution, Passes, Weights};
pub use map::{Coefficients, Map, Shape, padded};
pub use way::Workspace;
