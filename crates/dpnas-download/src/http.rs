//! One request for a file or the rest of it.

use crate::{DownloadConfig, DownloadError, Problem, Proxy};
use std::fmt;
use ureq::http::{HeaderMap, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, BodyReader};

/// Requests files from servers.
pub(crate) struct Client {
    agent: Agent,
    redirects: u32,
}

/// The answer of a server that has the file.
pub(crate) enum Reply {
    /// Bytes of the file, from this position on.
    Bytes(u64, BodyReader<'static>),
    /// No bytes at the requested position.
    NoSuchRange,
}

impl Client {
    pub(crate) fn new(config: &DownloadConfig) -> Result<Self, DownloadError> {
        let proxy = match &config.proxy {
            Proxy::Environment => ureq::Proxy::try_from_env(),
            Proxy::Direct => None,
            Proxy::Url(url) => Some(ureq::Proxy::new(url).map_err(|_| DownloadError::BadProxy { url: url.clone() })?),
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(config.redirects)
            .proxy(proxy)
            // The operating system knows the certificates of an institute's proxy.
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .accept_encoding("identity") // checksums hold for files without transfer compression
            .user_agent(concat!("dpnas/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(config.connect_timeout))
            .timeout_connect(Some(config.connect_timeout))
            .timeout_recv_response(Some(config.stall_timeout))
            .timeout_per_read(Some(config.stall_timeout))
            .build()
            .new_agent();
        Ok(Self { agent, redirects: config.redirects })
    }

    /// Requests the bytes from `from` on of a file of `size` bytes.
    pub(crate) fn get(&self, url: &str, from: u64, size: u64) -> Result<Reply, Problem> {
        let mut request = self.agent.get(url);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let response = request.call().map_err(|error| match error {
            ureq::Error::TooManyRedirects => Problem::Redirects { limit: self.redirects },
            error => Problem::Connection { reason: error.to_string() },
        })?;
        let length = |found| if found == size { Ok(()) } else { Err(Problem::Length { expected: size, found }) };
        let start = match response.status().as_u16() {
            200 => {
                response.body().content_length().map_or(Ok(()), length)?;
                0
            }
            206 => {
                let range = ContentRange::of(response.headers()).ok_or(Problem::Range { asked: from })?;
                range.total.map_or(Ok(()), length)?;
                if range.start != from {
                    return Err(Problem::Range { asked: from });
                }
                from
            }
            416 if from > 0 => return Ok(Reply::NoSuchRange),
            status => return Err(Problem::Status { status }),
        };
        Ok(Reply::Bytes(start, response.into_body().into_with_config().limit(u64::MAX).reader()))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("redirects", &self.redirects).finish_non_exhaustive()
    }
}

/// The header `Content-Range: bytes START-END/TOTAL`, where the total may be `*`.
#[derive(Debug, PartialEq)]
struct ContentRange {
    start: u64,
    total: Option<u64>,
}

impl ContentRange {
    fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(header::CONTENT_RANGE)?.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (start, _) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        Some(Self { start: start.trim().parse().ok()?, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_gives_its_start_and_total() {
        let range = |start, total| Some(ContentRange { start, total });
        assert_eq!(ContentRange::parse("bytes 5-9/10"), range(5, Some(10)));
        assert_eq!(ContentRange::parse("bytes 0-0/*"), range(0, None));
        for text in ["", "bytes */10", "bytes 5-9", "items 5-9/10", "bytes -5/10", "bytes 5-9/x"] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_that_is_no_proxy_is_an_error() {
        let config = DownloadConfig { proxy: Proxy::Url("gopher://x y".to_owned()), ..DownloadConfig::standard() };
        assert_eq!(
            Client::new(&config).unwrap_err().to_string(),
            "`gopher://x y` is no address of a proxy; write for example http://proxy.example:3128"
        );
    }
}
