//! Labelled image sets: readers of many formats, the digits inside, synthetic data, split, resize.
//!
//! A [`Source`] says where a data set comes from and [`Source::load`] brings it into memory as a [`DataSet`]: a training
//! and a test [`ImageSet`], `[n, channels, height, width]` numbers in `[0, 1]` with a label each.
//!
//! ```
//! use dpnas_data::{ColorMode, Source, hold_out};
//! use dpnas_seed::Seed;
//!
//! let digits = "digits".parse::<Source>()?.load()?.resized(12)?.to_channels(ColorMode::Rgb)?;
//! assert_eq!(digits.train.shape().to_string(), "3x12x12");
//!
//! let split = hold_out(digits.train.len(), 0.1, Seed(7))?;
//! let valid = digits.train.select(&split.valid);
//! assert_eq!((digits.train.len(), valid.len()), (1442, 144));
//! # Ok::<(), dpnas_data::DataError>(())
//! ```
//!
//! Everything that is read from a file is treated as hostile: a reader allocates in step with the bytes that really
//! arrive, never by what a header promises, and every error names the file, what was found, what was expected and what
//! to do.

mod bounded;
mod catalog;
mod channels;
mod cifar;
mod digits;
mod error;
mod fingerprint;
mod folder;
pub mod idx;
mod images;
mod kind;
mod npy;
mod resize;
mod set;
mod source;
mod split;
mod synthetic;

pub use catalog::{CatalogFile, Known};
pub use channels::ColorMode;
pub use cifar::CifarError;
pub use error::DataError;
pub use fingerprint::Fingerprint;
pub use images::BadImage;
pub use npy::NpyError;
pub use set::{DataSet, ImageSet, MAX_PIXELS};
pub use source::{LoadConfig, Source};
pub use split::{Split, hold_out};
pub use synthetic::SyntheticConfig;
