#![doc = include_str!("../README.md")]
//!
//! Nothing here tracks gradients, draws random numbers or uses burn's own `BatchNorm`, which on a backend without
//! autodiff normalises with its initial averages. Statistics are measured layer by layer ([`Encoder::measure`]) and
//! fold into weights and shifts once ([`Encoder::freeze`]).

mod encoder;
mod engine;
mod measure;
mod program;

pub use burn::tensor::backend::Backend;
pub use encoder::Encoder;
pub use engine::BurnEngine;

/// Changes whenever the numbers that an encoder computes change; part of the key of a stored embedding.
pub const ENCODER_VERSION: u32 = 2;
