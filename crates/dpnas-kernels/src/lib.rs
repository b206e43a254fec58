#![doc = include_str!("../README.md")]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("positions in feature maps are counted in 64 bits");

mod buffer;
mod engine;
mod geometry;
mod group;
#[allow(unsafe_code, reason = "vector instructions, and loops that check their bounds once a plan")]
#[allow(clippy::needless_range_loop, reason = "the loops are over rows and columns of tiles")]
mod kernel;
mod layout;
mod level;
mod measure;
mod memory;
mod norms;
mod pack;
mod pack_tiles;
mod peak;
mod program;
mod run;
mod scalar;
mod stats;
pub mod train;
mod weights;
mod winograd;

pub use dpnas_prior::{Precision, UnknownPrecision};
pub use engine::CpuEngine;
pub use level::{LEVEL_VARIABLE, Level, LevelError};
#[doc(hidden)]
pub use peak::peak_operations;
