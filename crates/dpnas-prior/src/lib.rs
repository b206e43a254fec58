#![doc = include_str!("../README.md")]

pub mod conformance;
mod engine;
mod halving;
mod init;
mod known;
mod memory;
mod norm;
mod orthogonal;
mod precision;
mod reference;
mod weights;

pub use engine::{Encode, Engine, EngineError, Images, ImagesError};
pub use init::{UnknownInit, WeightInit};
pub use known::KnownRows;
pub use memory::EngineMemory;
pub use norm::{Affine, Calibration, ChannelStats, Moments, NormMode, Normalisation, UnknownNormMode};
pub use precision::{Precision, UnknownPrecision};
pub use reference::{MOMENTUM, RunningStats, embed_by_mini_batch};
pub use weights::{ConvWeights, DrawError, Prior};
