#![doc = include_str!("../README.md")]
//!
//! # Determinism
//! Sums are split into blocks that depend only on the size of the problem, run in sixteen fixed lanes of fused
//! multiply-adds, and are joined in a fixed order. A processor without fused multiply-add computes the same bits, but
//! slowly. The gradient of the one layer, `(softmax − one-hot)ᵀ · rows`, is computed directly, and the optimiser updates
//! each piece of the weights while the piece is still in the cache.
//!
//! # Rows
//! Rows are in memory ([`Labelled::new`]). Rows of an embedding that is larger than the memory are read when they are
//! needed ([`Labelled::stored`]). They are `f32`, or [`Bf16`] in half of the memory. The same values give the same bits
//! in every case. [`fit_memory`] computes the memory of a fit.
//!
//! # Full training
//! The crate also holds the contract of full training, which shares its settings: [`TrainEngine`], [`TrainJob`],
//! [`FullConfig`]. `dpnas-full` implements it.

mod adam;
mod backward;
mod barrier;
mod block;
mod classifier;
mod config;
mod data;
mod device;
mod drop_out;
mod element;
mod error;
mod feed;
mod fit;
mod forward;
mod full;
mod lanes;
#[cfg(test)]
mod levels;
mod memory;
mod order;
mod report;
mod softmax;
mod worker;

pub use classifier::LinearClassifier;
pub use config::{ProbeConfig, SettingError, TestSchedule};
pub use data::{Labelled, ReadRows};
pub use device::{DeviceSet, FitEngine};
pub use element::{Bf16, Element};
pub use error::{Split, TrainError};
pub use fit::{Fitted, fit, fit_from};
pub use full::{Checkpoints, Examples, FullConfig, FullError, RateSchedule, TrainEngine, TrainJob, UnknownSchedule};
pub use memory::{FitMemory, fit_memory};
pub use report::{Epoch, Stop, TrainReport};
