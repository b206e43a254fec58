#![doc = include_str!("../README.md")]

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
mod full;
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
pub use full::{Checkpoints, Examples, FullConfig, FullError, RateSchedule, TrainEngine, TrainJob, UnknownSchedule};
pub use memory::{FitMemory, fit_memory};
pub use report::{Epoch, Stop, TrainReport};
pub use stored::{ReadRows, StoredRows};
