#![doc = include_str!("../README.md")]

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
