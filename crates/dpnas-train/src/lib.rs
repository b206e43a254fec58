//! The linear classifier on an embedding, trained without an autodiff graph.
//!
//! [`fit`] trains a bias-free linear classifier with Adam and cross-entropy on rows that were embedded once. The
//! gradient of that one layer is `(softmax − one-hot)ᵀ · rows`, so it is computed directly, and the optimiser is
//! applied to each piece of the weights while the piece is still in the cache.
//!
//! Results are the same bits for every number of threads and for every vector extension of the processor: sums are
//! split into blocks that depend on the problem's size alone, run in sixteen fixed lanes of fused multiply-adds, and
//! are joined in a fixed order. A processor without fused multiply-add computes the same bits, but slowly.
//!
//! Rows lie in memory ([`fit`]) or are read when they are needed ([`fit_stored`]), for an embedding that is larger than
//! the memory. Both shuffle all rows of the set, epoch by epoch in the same order, and give the same bits. Rows are
//! stored as `f32`, or as `bf16` in half of the memory ([`Element`]): the same values give the same bits.
//! [`fit_memory`] says what a fit takes.
//!
//! ```
//! use dpnas_seed::Seed;
//! use dpnas_train::{Labelled, ProbeConfig, fit};
//! use std::ops::ControlFlow;
//!
//! let rows = [1.0_f32, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 2.0]; // four rows of two features
//! let set = Labelled::new(&rows, &[0, 1, 0, 1], 2)?;
//! let config = ProbeConfig { learning_rate: 0.1, ..ProbeConfig::paper(Seed(7)) };
//! let fitted = fit(&config, 2, 2, set, set, Some(set), &mut |_| ControlFlow::Continue(()))?;
//! assert_eq!(fitted.report.reward(), 1.0);
//! assert_eq!(fitted.report.test_accuracy, 1.0);
//! # Ok::<(), dpnas_train::TrainError>(())
//! ```

mod adam;
mod backward;
mod barrier;
mod block;
mod classifier;
mod config;
mod data;
mod drop_out;
mod element;
mod error;
mod feed;
mod fit;
mod forward;
mod lanes;
#[cfg(test)]
mod levels;
mod memory;
mod order;
mod report;
mod softmax;
mod stored;
mod worker;

pub use classifier::LinearClassifier;
pub use config::{ProbeConfig, SettingError, TestSchedule};
pub use data::Labelled;
pub use element::Element;
pub use error::{Split, TrainError};
pub use fit::{Fitted, fit, fit_stored};
pub use memory::{FitMemory, fit_memory};
pub use report::{Epoch, Stop, TrainReport, stops_early};
pub use stored::{ReadRows, StoredRows};
