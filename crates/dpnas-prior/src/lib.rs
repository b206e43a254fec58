#![doc = include_str!("../README.md")]

pub mod conformance;
mod encode_ext;
mod engine;
mod error;
mod images;
mod init;
mod memory;
mod norm;
mod orthogonal;
mod precision;
mod reference;
mod weights;

pub use encode_ext::{EncodeExt, KnownRows};
pub use engine::{Encode, Engine, Measure, Resident};
pub use error::EngineError;
pub use images::{Images, ImagesError};
pub use init::{UnknownInit, WeightInit};
pub use memory::{EngineMemory, can_have};
pub use norm::{Affine, Calibration, ChannelStats, Moments, NormMode, Normalisation, UnknownNormMode};
pub use precision::{Precision, UnknownPrecision};
pub use reference::{MOMENTUM, RunningStats};
pub use weights::{ConvWeights, DrawError, Prior};
