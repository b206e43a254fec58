//! Shared by the binaries: options, data, progress.

#![allow(missing_debug_implementations, reason = "no crate depends on this one")]

pub mod bytes;
pub mod continual_output;
pub mod data;
pub mod earlier;
pub mod ensemble;
pub mod evaluation;
pub mod fetching;
pub mod interrupt;
pub mod options;
pub mod output;
pub mod program;
pub mod progress;
pub mod row_progress;
pub mod score_output;
pub mod score_progress;
pub mod score_store;
pub mod session;
mod warnings;

/// The examples of the guide that need burn, a download or continual learning are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/continual.md")]
#[doc = include_str!("../../docs/guide/data-sets.md")]
#[doc = include_str!("../../docs/guide/embed.md")]
#[doc = include_str!("../../docs/guide/full-training.md")]
struct Guide;
