#![doc = include_str!("../README.md")]
//!
//! The crate does not use burn's `BatchNorm`, which normalises with its initial averages on a backend without autodiff.
//! Statistics are measured layer by layer ([`Encoder::measure`]) and folded once into weights and shifts
//! ([`Encoder::freeze`]).

mod encoder;
mod engine;
mod measure;
mod program;

pub use burn::tensor::backend::Backend;
pub use encoder::Encoder;
pub use engine::BurnEngine;
