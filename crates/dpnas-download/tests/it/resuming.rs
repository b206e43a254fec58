//! Downloads that break off and go on.

use crate::server::{Answer, Server, good, response};
use crate::{NAME, assert_fetched, content, error, fetch, fetch_watched, part};
use dpnas_download::Event;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// Breaks every answer off after `count` bytes of the body.
fn breaking(count: usize) -> Server {
    Server::new(move |request| {
        let mut answer = good(&content(), request);
        let body = content().len() - request.from.unwrap_or(0);
        answer.truncate(answer.len() - body + count.min(body));
        Answer::Bytes(answer)
    })
}

fn write_part(folder: &Path, bytes: &[u8]) {
    fs::write(folder.join(format!("{NAME}.part")), bytes).unwrap();
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let (server, folder) = (breaking(2000), tempfile::tempdir().unwrap());
    fetch(&[&server], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert_eq!(server.ranges(), [None, Some(2000), Some(4000)]);
}

#[test]
fn a_part_of_an_earlier_process_is_continued() {
    let (server, folder) = (Server::good(content()), tempfile::tempdir().unwrap());
    write_part(folder.path(), &content()[..4321]);
    fetch(&[&server], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert_eq!(server.ranges(), [Some(4321)]);
}

#[test]
fn a_part_that_is_whole_needs_no_request() {
    let (server, folder) = (Server::good(content()), tempfile::tempdir().unwrap());
    write_part(folder.path(), &content());
    fetch(&[&server], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert!(server.ranges().is_empty());
}

#[test]
fn another_mirror_goes_on_where_the_first_broke_off() {
    let (first, second, folder) = (breaking(0), Server::good(content()), tempfile::tempdir().unwrap());
    write_part(folder.path(), &content()[..100]);
    fetch(&[&first, &second], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert_eq!(first.ranges(), [Some(100); 3]);
    assert_eq!(second.ranges(), [Some(100)]);
}

#[test]
fn a_server_that_ignores_ranges_gives_the_file_all_the_same() {
    let server = Server::new(|_| Answer::Bytes(response("200 OK", &[], &content(), 5000)));
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), &content()[..3000]);
    fetch(&[&server], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert_eq!(server.ranges(), [Some(3000)]);
}

#[test]
fn what_is_there_is_not_lost_when_a_server_starts_again_and_breaks_off_earlier() {
    let server = Server::new(|_| Answer::Bytes(response("200 OK", &[], &content()[..1000], 5000)));
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), &content()[..3000]);
    let message = error(&[&server], folder.path());
    assert!(message.contains("the connection broke off after 3000 of 5000 bytes ("), "{message}");
    assert_eq!(part(folder.path()), content()[..3000]);
}

#[test]
fn a_server_that_has_no_such_range_is_asked_for_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(|request| {
        Answer::Bytes(match request.from {
            Some(_) => response("416 Range Not Satisfiable", &[], b"", 0),
            None => response("200 OK", &[], &content(), 5000),
        })
    });
    write_part(folder.path(), &content()[..3000]);
    fetch(&[&server], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert_eq!(server.ranges(), [Some(3000), None]);
}

#[test]
fn a_part_of_something_else_is_thrown_away_once_that_is_noticed() {
    for part in [vec![9; 3000], vec![9; 5000], vec![9; 6000]] {
        let (server, folder) = (Server::good(content()), tempfile::tempdir().unwrap());
        write_part(folder.path(), &part);
        fetch(&[&server], folder.path()).unwrap();
        assert_fetched(folder.path());
    }
}

#[test]
fn a_server_that_sends_another_range_is_asked_for_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(|request| {
        Answer::Bytes(match request.from {
            Some(_) => response("206 Partial Content", &["Content-Range: bytes 10-4999/5000"], &content()[10..], 4990),
            None => response("200 OK", &[], &content(), 5000),
        })
    });
    write_part(folder.path(), &content()[..3000]);
    fetch(&[&server], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert_eq!(server.ranges(), [Some(3000), None]);
}

#[test]
fn a_mirror_is_given_up_when_attempts_bring_nothing() {
    let (server, folder) = (breaking(0), tempfile::tempdir().unwrap());
    write_part(folder.path(), &content()[..100]);
    let message = error(&[&server], folder.path());
    assert!(message.contains("the connection broke off after 100 of 5000 bytes ("), "{message}");
    assert_eq!(server.ranges(), [Some(100); 3]);
    assert_eq!(part(folder.path()), content()[..100]);
}

#[test]
fn a_connection_without_a_byte_counts_as_broken() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(|request| match request.index {
        0 => Answer::Stall(response("200 OK", &[], &content()[..2000], 5000)),
        _ => Answer::Bytes(good(&content(), request)),
    });
    fetch(&[&server], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert_eq!(server.ranges(), [None, Some(2000)]);
}

#[test]
fn a_stopped_download_keeps_its_part_and_goes_on_later() {
    let (server, folder) = (breaking(2000), tempfile::tempdir().unwrap());
    let error = fetch_watched(&[&server], folder.path(), &mut |event: Event<'_>| match event {
        Event::Received { received: 4000, .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "stopped: 4000 of 5000 bytes of {NAME} are kept in {}; the next download continues them",
            folder.path().display()
        )
    );
    assert_eq!(part(folder.path()), content()[..4000]);
    fetch(&[&server], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert_eq!(server.ranges(), [None, Some(2000), Some(4000)]);
}

#[test]
fn a_range_is_asked_for_again_after_a_redirect() {
    let target = Server::good(content());
    let url = target.url.clone();
    let server =
        Server::new(move |_| Answer::Bytes(response("302 Found", &[&format!("Location: {url}/elsewhere")], b"", 0)));
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), &content()[..3000]);
    fetch(&[&server], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert_eq!(target.ranges(), [Some(3000)]);
    assert_eq!(target.lines(), ["GET /elsewhere HTTP/1.1"]);
}

#[test]
fn a_server_that_fails_after_a_break_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(|request| {
        Answer::Bytes(match request.index {
            0 => response("200 OK", &[], &content()[..2000], 5000),
            1 => response("503 Service Unavailable", &[], b"", 0),
            _ => good(&content(), request),
        })
    });
    fetch(&[&server], folder.path()).unwrap();
    assert_fetched(folder.path());
    assert_eq!(server.ranges(), [None, Some(2000), Some(2000)]);
}
