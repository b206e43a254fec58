#![doc = include_str!("../README.md")]

mod classifier;
mod convolution;
mod descriptor;
mod dnn;
mod encoder;
mod engine;
mod error;
mod gpu;
mod images;
mod library;
mod measure;
mod survey;

pub use classifier::{CudaRows, FitSplits};
pub use encoder::CudaEncoder;
pub use engine::CudaEngine;
pub use error::CudaError;
pub use images::CudaImages;
pub use survey::{Configuration, Planned, plan_convolutions};
