//! Fused CPU kernels for frozen random encoders.
//!
//! [`CpuEngine`] is a [`dpnas_prior::Engine`] without a tensor library. Frozen weights are packed once; a convolution,
//! its normalisation, ReLU and the max pooling that follows are one loop; a few images at a time go through the whole
//! net, so that their maps stay in a core's cache. Any plan is computed, on any processor: what differs between levels
//! ([`Level`]) is the vectors.
//!
//! ```
//! use dpnas_grammar::{ImageShape, Net};
//! use dpnas_kernels::{CpuEngine, Precision};
//! use dpnas_prior::{Engine, Images, Prior, WeightInit};
//! use dpnas_seed::Seed;
//!
//! let net: Net = "[C(16,3,1,1,1), P(2,2,0,0), SM(10)]".parse()?;
//! let plan = net.plan(ImageShape::square(1, 28))?;
//! let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(0))?;
//! let encoder = CpuEngine::new(Precision::F32)?.load(&prior)?;
//! let rows = encoder.encode(Images::new(plan.input(), &[0.5; 2 * 28 * 28])?)?;
//! assert_eq!(rows.len() as u64, 2 * plan.features());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod buffer;
mod element;
mod engine;
mod geometry;
mod group;
#[allow(unsafe_code, reason = "vector instructions, and loops that check their bounds once a plan")]
#[allow(clippy::needless_range_loop, reason = "rows and columns of tiles are what the loops are about")]
mod kernel;
mod layout;
mod level;
mod measure;
mod memory;
mod norms;
mod pack;
mod pack_tiles;
mod peak;
mod polynomials;
mod program;
mod run;
mod stats;
mod weights;

pub use dpnas_prior::{Precision, UnknownPrecision};
pub use engine::CpuEngine;
pub use level::{LEVEL_VARIABLE, Level, LevelError};
#[doc(hidden)]
pub use peak::peak_operations;

/// Changes whenever the numbers that an encoder computes change; part of the engine's name, and so of the key of a
/// stored embedding.
pub const KERNELS_VERSION: u32 = 3;
