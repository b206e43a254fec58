#![doc = include_str!("../README.md")]
//!
//! No result depends on how many blocks are computed at once, on the threads or on the memory budget, bit for bit on a
//! CPU. The size of a block decides how the gradients of weights are rounded; it follows from the net alone.
//!
//! Settings that full training has in common with the linear classifier, records of epochs and early stopping are those of
//! dpnas-train.
//!
//! An embedding is trained on, too: it is a set of images of `features`×1×1 for a net without encoder layers.

mod adam;
mod batch;
mod checkpoint;
mod fit;
#[cfg(test)]
mod gradient_tests;
mod machine;
mod memory;
mod model;
mod norm;
mod pass;
mod program;
mod softmax;
mod trainer;

pub use burn::tensor::backend::Backend;
pub use checkpoint::{BEST_CHECKPOINT, LAST_CHECKPOINT};
pub use trainer::BurnTrainer;
