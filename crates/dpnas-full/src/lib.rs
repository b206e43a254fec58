#![doc = include_str!("../README.md")]
//!
//! Forward, all blocks run to the next norm before its statistics are taken. Backward, all blocks run down to a norm
//! before the gradient passes through it. Memory holds at most one map for each norm.
//!
//! No result depends on the number of blocks computed at once, on the threads or on the memory budget, bit for bit on a
//! CPU. The size of a block decides how the gradients of weights are rounded; it depends only on the net.
//!
//! An embedding can be trained on too, as a set of images of `features`×1×1 for a net without encoder layers.

mod adam;
mod batch;
mod burn_device;
mod checkpoint;
mod cpu;
mod device;
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
pub use trainer::{BurnTrainer, CpuTrainer};
