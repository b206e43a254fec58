//! Downloads from servers on this machine that behave, break off, lie and redirect.

mod lying_servers;
mod mirrors;
mod place;
mod properties;
mod resuming;
mod server;

use dpnas_download::{Access, Checksum, DownloadConfig, DownloadError, Downloader, Event, Proxy, RemoteFile, Watch};
use server::Server;
use sha2::{Digest, Sha256};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

const NAME: &str = "file.bin";

/// 5,000 bytes without a pattern that a shift would keep.
fn content() -> Vec<u8> {
    (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn remote(content: &[u8]) -> RemoteFile {
    let checksum = Checksum::Sha256(Sha256::digest(content).into());
    RemoteFile { name: NAME.to_owned(), size: content.len() as u64, checksum }
}

/// No pauses, no proxy, and a server that says nothing is given up soon.
fn config() -> DownloadConfig {
    DownloadConfig {
        attempts: 3,
        pause: Duration::ZERO,
        stall_timeout: Duration::from_millis(500),
        proxy: Proxy::Direct,
        ..DownloadConfig::standard()
    }
}

fn fetch_watched(servers: &[&Server], folder: &Path, watch: &mut Watch<'_>) -> Result<(), DownloadError> {
    let mirrors: Vec<String> = servers.iter().map(|server| server.url.clone()).collect();
    let downloader = Downloader::new(config()).unwrap();
    let paths = downloader.fetch(&[remote(&content())], &mirrors, folder, Access::Online, watch)?;
    assert_eq!(paths, [folder.join(NAME)]);
    Ok(())
}

fn fetch(servers: &[&Server], folder: &Path) -> Result<(), DownloadError> {
    fetch_watched(servers, folder, &mut |_: Event<'_>| ControlFlow::Continue(()))
}

/// The message of a failed download with `URL1`, `URL2`, … for the servers and `DIR` for the folder; no file has come.
fn error(servers: &[&Server], folder: &Path) -> String {
    let mut text = fetch(servers, folder).unwrap_err().to_string().replace(&folder.display().to_string(), "DIR");
    for (index, server) in servers.iter().enumerate() {
        text = text.replace(&server.url, &format!("URL{}", index + 1));
    }
    assert!(!folder.join(NAME).exists(), "{text}");
    text
}

/// The message when every mirror has failed, each with the given line.
fn all_mirrors(lines: &[&str]) -> String {
    let RemoteFile { checksum, .. } = remote(&content());
    let mirrors: String =
        lines.iter().enumerate().map(|(i, line)| format!("\n  URL{}/{NAME}: {line}", i + 1)).collect();
    format!(
        "cannot fetch {NAME} (5000 bytes, {checksum}) into DIR:{mirrors}\ncheck the connection, or the proxy \
         (HTTPS_PROXY, NO_PROXY), and try again: what has arrived is kept. Or put the file there by hand"
    )
}

fn part(folder: &Path) -> Vec<u8> {
    fs::read(folder.join(format!("{NAME}.part"))).unwrap()
}

/// The whole file is there and no part is left.
fn assert_fetched(folder: &Path) {
    assert_eq!(fs::read(folder.join(NAME)).unwrap(), content());
    assert!(!folder.join(format!("{NAME}.part")).exists());
}
