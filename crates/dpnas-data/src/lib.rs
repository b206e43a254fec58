#![doc = include_str!("../README.md")]
#![warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod bounded;
mod catalog;
mod channels;
mod cifar;
mod digits;
mod error;
mod files;
mod fingerprint;
mod gzip;
mod hold_out;
pub mod idx;
mod idx_files;
mod images;
mod kind;
mod limit;
mod npy;
mod pairs;
mod resize;
mod set;
mod source;
mod synthetic;
mod warning;

pub use catalog::{CatalogFile, Known};
pub use channels::ColorMode;
pub use cifar::CifarError;
pub use error::DataError;
pub use fingerprint::Fingerprint;
pub use hold_out::{HoldOut, hold_out};
pub use images::{BadImage, FolderError};
pub use limit::LimitOrder;
pub use npy::NpyError;
pub use set::{DataSet, ImageSet, MAX_PIXELS};
pub use source::{LoadConfig, Orientation, Source};
pub use synthetic::SyntheticConfig;
pub use warning::Warning;
