//! Settings of downloads.

use std::time::Duration;

/// Whether the network may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Missing files are fetched.
    Online,
    /// Missing files are an error that lists them all.
    Offline,
}

/// Settings of a [`Downloader`](crate::Downloader).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadConfig {
    /// Time limit for resolving a name and connecting.
    pub connect_timeout: Duration,
    /// Time without a byte after which a connection counts as broken.
    pub stall_timeout: Duration,
    /// Consecutive attempts with less than a thousandth of the file after which the next mirror is tried.
    pub attempts: u32,
    /// Pause before another attempt at the same mirror; it doubles with each attempt without progress.
    pub pause: Duration,
    /// Largest number of redirects of one request.
    pub redirects: u32,
    /// The proxy.
    pub proxy: Proxy,
}

impl DownloadConfig {
    /// 30 seconds to connect and without a byte, 5 attempts a mirror with pauses from 1 second, 10 redirects, the
    /// environment's proxy.
    pub fn standard() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            attempts: 5,
            pause: Duration::from_secs(1),
            redirects: 10,
            proxy: Proxy::Environment,
        }
    }
}

/// The proxy of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// That of `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` (the first that is set, in capital or small letters), but none
    /// for hosts that `NO_PROXY` lists.
    Environment,
    /// None, also if the environment names one.
    Direct,
    /// The one at this address, for example `http://proxy.example:3128`.
    Url(String),
}
