//! Servers that send other bytes, other lengths, or no end.

use crate::server::{Answer, Server, response};
use crate::{NAME, all_mirrors, assert_fetched, content, error, fetch, part, remote};
use dpnas_download::Checksum;

fn wrong_content(found: &[u8]) -> String {
    let expected = remote(&content()).checksum;
    let found: Checksum = expected.of_same_kind(found).unwrap();
    format!("wrong content: {found}; expected {expected}")
}

#[test]
fn other_bytes_are_thrown_away_and_the_next_mirror_is_tried() {
    let (bad, right) = (Server::good(vec![7; 5000]), Server::good(content()));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(error(&[&bad], folder.path()), all_mirrors(&[&wrong_content(&[7; 5000])]));
    assert!(part(folder.path()).is_empty());
    fetch(&[&bad, &right], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert_eq!((bad.ranges(), right.ranges()), (vec![None, None], vec![None]));
}

#[test]
fn an_announced_length_that_is_not_the_files_is_an_error_before_a_byte_is_written() {
    for (length, body) in [(4999, content()[..4999].to_vec()), (5001, vec![0; 5001]), (26, vec![b'<'; 26])] {
        let server = Server::new(move |_| Answer::Bytes(response("200 OK", &[], &body, length)));
        let folder = tempfile::tempdir().unwrap();
        let line = format!("the server has a file of {length} bytes; expected 5000");
        assert_eq!(error(&[&server], folder.path()), all_mirrors(&[&line]));
        assert!(part(folder.path()).is_empty());
    }
}

#[test]
fn a_range_of_a_file_of_another_length_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(format!("{NAME}.part")), &content()[..3000]).unwrap();
    let server = Server::good(vec![1; 7000]);
    assert_eq!(error(&[&server], folder.path()), all_mirrors(&["the server has a file of 7000 bytes; expected 5000"]));
    assert_eq!(part(folder.path()), content()[..3000]);
}

#[test]
fn a_body_that_never_ends_writes_no_more_than_the_file_has() {
    let server = Server::new(|_| Answer::Endless(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec()));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(error(&[&server], folder.path()), all_mirrors(&[&wrong_content(&[0; 5000])]));
    assert!(part(folder.path()).is_empty());
}

#[test]
fn headers_that_never_end_are_an_error() {
    let server = Server::new(|_| Answer::Endless(b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec()));
    let folder = tempfile::tempdir().unwrap();
    let message = error(&[&server], folder.path());
    assert!(message.starts_with(&format!("cannot fetch {NAME}")), "{message}");
}

#[test]
fn a_file_without_an_announced_length_is_taken_if_its_content_is_right() {
    let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".to_vec();
    let chunks = [b"1000\r\n", &content()[..4096], b"\r\n388\r\n", &content()[4096..], b"\r\n0\r\n\r\n"].concat();
    for answer in [[head, content()].concat(), [chunked, chunks].concat()] {
        let server = Server::new(move |_| Answer::Bytes(answer.clone()));
        let folder = tempfile::tempdir().unwrap();
        fetch(&[&server], folder.path()).unwrap();
        assert_fetched(folder.path());
    }
}

#[test]
fn noise_in_place_of_an_answer_is_an_error() {
    for noise in [&b""[..], b"\0\0\0\0", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 999999 ?\r\n\r\n"] {
        let server = Server::new(move |_| Answer::Bytes(noise.to_vec()));
        let folder = tempfile::tempdir().unwrap();
        let message = error(&[&server], folder.path());
        assert!(message.starts_with(&format!("cannot fetch {NAME}")), "{message}");
    }
}

#[test]
fn a_range_without_its_header_is_an_error_once_the_whole_file_is_asked_for() {
    let server = Server::new(|request| match request.from {
        Some(from) => Answer::Bytes(response("206 Partial Content", &[], &content()[from..], 5000 - from)),
        None => Answer::Bytes(response("206 Partial Content", &[], &content(), 5000)),
    });
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(format!("{NAME}.part")), &content()[..3000]).unwrap();
    assert_eq!(error(&[&server], folder.path()), all_mirrors(&["asked for bytes from 0 on, the server sent others"]));
    assert_eq!(server.ranges(), [Some(3000), None]);
}
