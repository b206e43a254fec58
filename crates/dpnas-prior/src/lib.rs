//! Random weights of a plan, calibration statistics, and the contract of an encoder engine.
//!
//! A *deep prior* is an architecture together with random weights that are never trained. This crate draws those
//! weights on the host ([`Prior`]), describes how activations are normalised ([`Calibration`]) and states what an
//! engine that computes embeddings must do ([`Engine`], [`Encode`]). Engines on burn tensors live in
//! `dpnas-encoder`; an engine of another kind needs nothing but this crate.
//!
//! ```
//! use dpnas_grammar::{ImageShape, Net};
//! use dpnas_prior::{Prior, WeightInit};
//! use dpnas_seed::Seed;
//!
//! let net: Net = "[C(16,3,1,1,1), P(2,2,0,0), SM(10)]".parse()?;
//! let plan = net.plan(ImageShape::square(1, 28))?;
//! let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(0))?;
//! assert_eq!(prior.stage(0)[0].values().len(), 16 * 3 * 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
