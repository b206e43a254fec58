//! Plan to frozen random encoder on burn tensors, generic over the backend.
//!
//! [`Encoder`] computes a [`Prior`](dpnas_prior::Prior) on `Tensor<B, 4>`: convolutions without bias, normalisation,
//! ReLU, pre-activation residual blocks and max pooling, flattened at the end. [`BurnEngine`] is the same as a
//! [`dpnas_prior::Engine`] on host slices. The crate names no backend: the caller brings one.
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
