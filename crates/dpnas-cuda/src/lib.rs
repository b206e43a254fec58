#![doc = include_str!("../README.md")]

mod classifier;
mod dnn;
mod encoder;
mod engine;
mod error;
mod gpu;
mod library;
mod survey;

pub use classifier::{CudaRows, FitSplits};
pub use encoder::{CudaEncoder, CudaImages};
pub use engine::CudaEngine;
pub use error::CudaError;
pub use survey::{Configuration, Planned, plan_convolutions};
