//! Errors of downloads.

use crate::{Checksum, ChecksumError};
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The network may not be used, and files are missing or wrong.
    #[error(
        "offline, and files are missing in {}; put there{}\n(from {}) or allow the download",
        folder.display(), list(missing), mirrors.join(" or ")
    )]
    Offline {
        /// Where the files belong.
        folder: PathBuf,
        /// Every file that is missing or wrong.
        missing: Vec<Missing>,
        /// Addresses of folders that have them.
        mirrors: Vec<String>,
    },
    /// No mirror gave the file. The part file stays for the next attempt.
    #[error(
        "cannot fetch {name} ({size} bytes, {checksum}) into {}:{}\ncheck the connection, or the proxy (HTTPS_PROXY, \
         NO_PROXY), and try again: what has arrived is kept. Or put the file there by hand",
        folder.display(), tried(failures)
    )]
    AllMirrors {
        /// Name of the file.
        name: String,
        /// Its length in bytes.
        size: u64,
        /// Its checksum.
        checksum: Checksum,
        /// Where it belongs.
        folder: PathBuf,
        /// The last failure of each mirror.
        failures: Vec<MirrorFailure>,
    },
    /// The watcher ended the download.
    #[error("stopped: {received} of {size} bytes of {name} are kept in {}; the next download continues them", folder.display())]
    Stopped {
        /// Name of the file.
        name: String,
        /// Bytes in the part file.
        received: u64,
        /// Bytes of the file.
        size: u64,
        /// Where it belongs.
        folder: PathBuf,
    },
    /// The disk, the user's quota or the file-size limit is used up.
    #[error(
        "no room for the {size} bytes of {}: the disk (or a quota or size limit) is full ({source}); free space there, or \
         choose a folder on another disk",
        path.display()
    )]
    DiskFull {
        /// The file that does not fit.
        path: PathBuf,
        /// Its length in bytes.
        size: u64,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The operating system refused another operation.
    #[error("cannot {action} {}: {source}; check the folder and its permissions", path.display())]
    Io {
        /// The operation.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A name has characters with a meaning in a path or an address.
    #[error("`{name}` is no name for a file to fetch: use letters, digits, `.`, `-` and `_`, and no dot in front")]
    BadName {
        /// The name that was given.
        name: String,
    },
    /// There is no mirror to fetch from.
    #[error("there is no mirror to fetch {name} from; name one, for example https://example.org/files")]
    NoMirror {
        /// Name of the file.
        name: String,
    },
    /// The address of a proxy is malformed.
    #[error("`{url}` is no address of a proxy; write for example http://proxy.example:3128")]
    BadProxy {
        /// The address that was given.
        url: String,
    },
    /// A text is no checksum.
    #[error(transparent)]
    Checksum(#[from] ChecksumError),
}

impl DownloadError {
    /// An error while writing a file of `size` bytes; a full disk has its own variant.
    pub(crate) fn write(action: &'static str, path: &Path, size: u64) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
            match source.kind() {
                StorageFull | QuotaExceeded | FileTooLarge => Self::DiskFull { path: path.to_owned(), size, source },
                _ => Self::Io { action, path: path.to_owned(), source },
            }
        }
    }
}

/// A file to be put into place by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its path.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its checksum.
    pub checksum: Checksum,
    /// Why it counts as missing.
    pub reason: MissingReason,
}

/// Why a file counts as missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingReason {
    /// There is no file.
    Absent,
    /// A file of another length, in bytes.
    Size(u64),
    /// A file of the right length with another checksum.
    Checksum(Checksum),
}

/// The last failure of one mirror.
#[derive(Debug)]
pub struct MirrorFailure {
    /// Address of the file.
    pub url: String,
    /// The failure.
    pub problem: Problem,
}

/// Why a mirror did not give a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The answer is neither the file nor a part of it.
    #[error("the server answered with status {status}")]
    Status {
        /// The HTTP status, for example 404.
        status: u16,
    },
    /// Redirects lead in a circle or too far.
    #[error("more than {limit} redirects")]
    Redirects {
        /// Largest number of redirects.
        limit: u32,
    },
    /// The server announces a file of another length.
    #[error("the server has a file of {found} bytes; expected {expected}")]
    Length {
        /// Bytes that the file should have.
        expected: u64,
        /// Bytes that the server announces.
        found: u64,
    },
    /// The connection ended early.
    #[error("the connection broke off after {received} of {expected} bytes ({reason})")]
    BrokenOff {
        /// Bytes received so far.
        received: u64,
        /// Bytes that the file should have.
        expected: u64,
        /// The reason.
        reason: String,
    },
    /// All bytes arrived, and their checksum is wrong.
    #[error("wrong content: {found}; expected {expected}")]
    Content {
        /// The file's checksum.
        expected: Checksum,
        /// The checksum of the received bytes.
        found: Checksum,
    },
    /// The server sent another range of bytes than requested.
    #[error("asked for bytes from {asked} on, the server sent others")]
    Range {
        /// First byte that was requested.
        asked: u64,
    },
    /// There is no connection: unknown host, refused, untrusted certificate or timeout.
    #[error("{reason}")]
    Connection {
        /// The reason.
        reason: String,
    },
}

fn list(missing: &[Missing]) -> String {
    let mut text = String::new();
    for Missing { path, size, checksum, reason } in missing {
        let _ = write!(text, "\n  {}  {size} bytes, {checksum}", path.display());
        let _ = match reason {
            MissingReason::Absent => Ok(()),
            MissingReason::Size(found) => write!(text, " (the file there has {found} bytes)"),
            MissingReason::Checksum(found) => write!(text, " (the file there has {found})"),
        };
    }
    text
}

fn tried(failures: &[MirrorFailure]) -> String {
    failures.iter().map(|MirrorFailure { url, problem }| format!("\n  {url}: {problem}")).collect()
}
