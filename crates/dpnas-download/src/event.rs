//! Events of a download.

use crate::Problem;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

/// Receives every event; [`ControlFlow::Break`] ends the download, and the next one continues it.
pub type Watch<'a> = dyn FnMut(Event<'_>) -> ControlFlow<()> + 'a;

/// An event; displays as a line for a log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another process fetches into the folder; repeated about five times a second.
    Waiting {
        /// The folder.
        folder: &'a Path,
    },
    /// A request is sent.
    Request {
        /// Address of the file.
        url: &'a str,
        /// First byte that is requested.
        from: u64,
    },
    /// Bytes have arrived.
    Received {
        /// Name of the file.
        name: &'a str,
        /// Bytes received so far.
        received: u64,
        /// Bytes of the whole file.
        total: u64,
    },
    /// An attempt failed; another one may follow.
    Failed {
        /// Address of the file.
        url: &'a str,
        /// What went wrong.
        problem: &'a Problem,
    },
    /// A pause before the next attempt; repeated about ten times a second.
    Pausing {
        /// Name of the file.
        name: &'a str,
    },
    /// A file is complete and checked.
    Finished {
        /// The file.
        path: &'a Path,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { folder } => write!(f, "another process fetches into {}: waiting for it", folder.display()),
            Self::Request { url, from: 0 } => write!(f, "fetching {url}"),
            Self::Request { url, from } => write!(f, "fetching {url} from byte {from}"),
            Self::Received { name, received, total } => write!(f, "{name}: {received} of {total} bytes"),
            Self::Failed { url, problem } => write!(f, "{url}: {problem}"),
            Self::Pausing { name } => write!(f, "{name}: pausing before the next attempt"),
            Self::Finished { path } => write!(f, "{} is complete", path.display()),
        }
    }
}
