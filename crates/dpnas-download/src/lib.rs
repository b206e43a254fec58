#![doc = include_str!("../README.md")]
//!
//! ```text
//! folder/NAME.part   grows while the file arrives; the next attempt continues it after a break
//! folder/NAME        appears by a rename, once length and checksum are right and the bytes are on the disk
//! folder/.lock       held by the process that fetches into the folder; others wait
//! ```
//!
//! ```no_run
//! use dpnas_download::{Access, DownloadConfig, Downloader, RemoteFile};
//! use std::ops::ControlFlow;
//!
//! let file = RemoteFile {
//!     name: "t10k-labels-idx1-ubyte.gz".to_owned(),
//!     size: 4542,
//!     checksum: "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6".parse()?,
//! };
//! let mirrors = ["https://ossci-datasets.s3.amazonaws.com/mnist".to_owned()];
//! let downloader = Downloader::new(DownloadConfig::standard())?;
//! let mut watch = |_: dpnas_download::Event<'_>| ControlFlow::Continue(());
//! let paths = downloader.fetch(&[file], &mirrors, "data/mnist".as_ref(), Access::Online, &mut watch)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Servers are not trusted: no more bytes are written than the file has, and a file with another checksum is discarded.

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
