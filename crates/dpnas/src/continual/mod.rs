//! Continual learning on frozen encoders: every method learns the same streams, and the run can be resumed.
//!
//! [`ContinualRunner`] lets the methods of a [`ContinualJob`] learn rows of a [`RowSource`]: a stored embedding, or the
//! embedding of an architecture under several draws of its weights. Streams, methods and metrics are those of the crate
//! `dpnas-continual`, re-exported here.

mod error;
mod event;
mod files;
mod job;
#[cfg(feature = "report")]
mod pictures;
mod report;
mod runner;
mod source;

pub use dpnas_continual::*;
pub use error::ContinualError;
pub use event::ContinualEvent;
pub use files::save_statistics;
pub use job::ContinualJob;
pub use report::{ContinualReport, Learned, METRICS, MethodSummary};
pub use runner::{ContinualHook, ContinualRunner};
pub use source::{EmbeddingRows, Features, PriorRows, RowSource};
