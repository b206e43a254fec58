//! Stands in for `ridge.rs` where the feature `heads` is off: every use is an error that names the feature.

use crate::deep_prior::embedding::Embedding;
use crate::{Metrics, ScoreError, Splits};
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

pub(crate) fn ridge_embedding(_: &Splits, _: &AtomicBool, _: &Embedding) -> Result<Metrics, ScoreError> {
    Err(ScoreError::WithoutHeads)
}

pub(crate) fn ridge_pixels(_: &Splits, _: &AtomicBool) -> Result<Metrics, ScoreError> {
    Err(ScoreError::WithoutHeads)
}

pub(crate) fn ridge_memory(_: &Splits, _: usize, _: NonZeroUsize) -> u64 {
    0
}
