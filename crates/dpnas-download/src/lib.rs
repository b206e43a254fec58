#![doc = include_str!("../README.md")]
//!
//! ```text
//! folder/NAME.part   grows while the file arrives; the next attempt continues it after a break
//! folder/NAME        appears by a rename, once length and checksum are right and the bytes are on the disk
//! folder/.lock       held by the process that fetches into the folder; others wait
//! ```

mod checksum;
mod config;
mod downloader;
mod error;
mod event;
mod http;
mod part;
mod remote_file;

pub use checksum::{Checksum, ChecksumError};
pub use config::{Access, DownloadConfig, Proxy};
pub use downloader::Downloader;
pub use error::{DownloadError, MirrorFailure, Missing, MissingReason, Problem};
pub use event::{Event, Watch};
pub use remote_file::RemoteFile;
