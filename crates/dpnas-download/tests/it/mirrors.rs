//! Several mirrors, redirects and proxies.

use crate::server::{Answer, Server, response};
use crate::{NAME, all_mirrors, assert_fetched, config, content, error, fetch, remote};
use dpnas_download::{Access, Downloader, Event, Proxy};
use std::net::TcpListener;
use std::ops::ControlFlow;

fn status(status: &'static str) -> Server {
    Server::new(move |_| Answer::Bytes(response(status, &[], b"<html>an error page</html>", 26)))
}

#[test]
fn mirrors_are_tried_in_order_until_one_has_the_file() {
    let servers = [status("404 Not Found"), status("500 Internal Server Error"), Server::good(content())];
    let [missing, failing, good] = &servers;
    let unused = Server::good(content());
    let folder = tempfile::tempdir().unwrap();
    fetch(&[missing, failing, good, &unused], folder.path()).unwrap();
    assert_fetched(folder.path());
    for server in &servers {
        assert_eq!(server.lines(), [format!("GET /{NAME} HTTP/1.1")]);
    }
    assert!(unused.lines().is_empty());
}

#[test]
fn when_all_mirrors_fail_each_is_named_with_its_reason() {
    let servers = [status("404 Not Found"), status("503 Service Unavailable")];
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        error(&[&servers[0], &servers[1]], folder.path()),
        all_mirrors(&["the server answered with status 404", "the server answered with status 503"])
    );
}

#[test]
fn a_redirect_is_followed() {
    for code in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let server = Server::new(move |request| {
            Answer::Bytes(if request.line.contains("moved") {
                response("200 OK", &[], &content(), 5000)
            } else {
                response(code, &["Location: /moved/here"], b"gone", 4)
            })
        });
        let folder = tempfile::tempdir().unwrap();
        fetch(&[&server], folder.path()).unwrap();
        assert_fetched(folder.path());
        assert_eq!(server.lines(), [format!("GET /{NAME} HTTP/1.1"), "GET /moved/here HTTP/1.1".to_owned()]);
    }
}

#[test]
fn redirects_in_a_circle_end() {
    let server = Server::new(|_| Answer::Bytes(response("302 Found", &["Location: /again"], b"", 0)));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(error(&[&server], folder.path()), all_mirrors(&["more than 10 redirects"]));
    assert_eq!(server.lines().len(), 11);
}

#[test]
fn a_redirect_to_nowhere_is_an_error() {
    for headers in [&["Location: :::"][..], &[]] {
        let headers = headers.to_vec();
        let server = Server::new(move |_| Answer::Bytes(response("302 Found", &headers, b"", 0)));
        let folder = tempfile::tempdir().unwrap();
        let message = error(&[&server], folder.path());
        assert!(message.starts_with(&format!("cannot fetch {NAME}")), "{message}");
    }
}

#[test]
fn a_port_where_nobody_listens_is_an_error_that_says_so() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let downloader = Downloader::new(config()).unwrap();
    let mut watch = |_: Event<'_>| ControlFlow::Continue(());
    let mirrors = [format!("http://{free}"), "not an address".to_owned()];
    let error = downloader.fetch(&[remote(&content())], &mirrors, folder.path(), Access::Online, &mut watch);
    let message = error.unwrap_err().to_string();
    assert!(message.contains(&format!("http://{free}/{NAME}: ")) && message.contains("refused"), "{message}");
    assert!(message.contains("not an address/file.bin: "), "{message}");
}

#[test]
fn an_https_address_where_nobody_speaks_tls_is_an_error() {
    let server = Server::good(content());
    let folder = tempfile::tempdir().unwrap();
    let downloader = Downloader::new(config()).unwrap();
    let mut watch = |_: Event<'_>| ControlFlow::Continue(());
    let mirrors = [server.url.replace("http:", "https:")];
    let error = downloader.fetch(&[remote(&content())], &mirrors, folder.path(), Access::Online, &mut watch);
    let message = error.unwrap_err().to_string();
    assert!(message.contains(&format!("{}/{NAME}: ", mirrors[0])), "{message}");
    assert!(server.lines().is_empty());
}

#[test]
fn requests_go_through_a_proxy_that_is_given() {
    let proxy = Server::good(content());
    let folder = tempfile::tempdir().unwrap();
    let downloader =
        Downloader::new(dpnas_download::DownloadConfig { proxy: Proxy::Url(proxy.url.clone()), ..config() }).unwrap();
    let mut watch = |_: Event<'_>| ControlFlow::Continue(());
    let mirrors = ["http://files.invalid/x".to_owned()];
    downloader.fetch(&[remote(&content())], &mirrors, folder.path(), Access::Online, &mut watch).unwrap();
    assert_fetched(folder.path());
    assert_eq!(proxy.lines(), ["CONNECT files.invalid:80 HTTP/1.1".to_owned(), format!("GET /x/{NAME} HTTP/1.1")]);
}
