//! The architecture grammar: text, net, checked plan with shapes and cost.
#![forbid(unsafe_code)]

mod layer;
mod shape;

pub use layer::Layer;
pub use shape::{ImageShape, ShapeError, window_output};
