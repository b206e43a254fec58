#![doc = include_str!("../README.md")]

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
