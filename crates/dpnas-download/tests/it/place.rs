//! What is in the folder before and after.

use crate::server::Server;
use crate::{NAME, assert_fetched, config, content, error, fetch, fetch_watched, remote};
use dpnas_download::{Access, Checksum, DownloadError, Downloader, Event};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

#[test]
fn a_file_is_fetched_and_only_a_whole_one_gets_its_name() {
    let (server, folder) = (Server::good(content()), tempfile::tempdir().unwrap());
    let target = folder.path().join("new/folder");
    let mut events = Vec::new();
    fetch_watched(&[&server], &target, &mut |event: Event<'_>| {
        assert_eq!(target.join(NAME).exists(), matches!(event, Event::Finished { .. }));
        events.push(event.to_string().replace(&server.url, "URL"));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_fetched(&target);
    assert_eq!(events[0], format!("fetching URL/{NAME}"));
    assert!(events.contains(&format!("{NAME}: 5000 of 5000 bytes")), "{events:?}");
    assert_eq!(*events.last().unwrap(), format!("{} is complete", target.join(NAME).display()));
    assert_eq!(server.lines(), [format!("GET /{NAME} HTTP/1.1")]);
}

#[test]
fn a_file_that_is_there_is_kept_without_a_request_or_a_trace() {
    let (server, folder) = (Server::good(content()), tempfile::tempdir().unwrap());
    fs::write(folder.path().join(NAME), content()).unwrap();
    fetch(&[&server], folder.path()).unwrap();
    assert!(server.ranges().is_empty());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_file_is_replaced_but_only_by_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut damaged = content();
    damaged[77] ^= 1;
    fs::write(folder.path().join(NAME), &damaged).unwrap();
    fetch(&[&Server::good(vec![7; 5000])], folder.path()).unwrap_err();
    assert_eq!(fs::read(folder.path().join(NAME)).unwrap(), damaged);
    fetch(&[&Server::good(content())], folder.path()).unwrap();
    assert_fetched(folder.path());
}

#[test]
fn offline_every_missing_or_wrong_file_is_listed_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let mut file = remote(&content());
        file.name = name.to_owned();
        file
    };
    let files = ["there", "absent", "short", "damaged"].map(file);
    fs::write(folder.path().join("there"), content()).unwrap();
    fs::write(folder.path().join("short"), "abc").unwrap();
    fs::write(folder.path().join("damaged"), vec![0; 5000]).unwrap();
    let downloader = Downloader::new(config()).unwrap();
    let mut watch = |event: Event<'_>| panic!("{event}");
    let error = downloader
        .fetch(&files, &["http://a".to_owned(), "http://b".to_owned()], folder.path(), Access::Offline, &mut watch)
        .unwrap_err();
    let (expected, dir) = (files[0].checksum, folder.path().display());
    let zeros = expected.of_same_kind(&[0; 5000][..]).unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "offline, and files are missing in {dir}; put there\n  {dir}/absent  5000 bytes, {expected}\n  {dir}/short  5000 \
             bytes, {expected} (the file there has 3 bytes)\n  {dir}/damaged  5000 bytes, {expected} (the file there has \
             {zeros})\n(from http://a or http://b) or allow the download"
        )
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn offline_files_that_are_there_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(NAME), content()).unwrap();
    let downloader = Downloader::new(config()).unwrap();
    let mut watch = |event: Event<'_>| panic!("{event}");
    downloader.fetch(&[remote(&content())], &[], folder.path(), Access::Offline, &mut watch).unwrap();
}

#[test]
fn an_md5_is_enough_where_there_is_nothing_better() {
    let (server, folder) = (Server::good(content()), tempfile::tempdir().unwrap());
    let mut file = remote(&content());
    file.checksum = Checksum::Md5([0; 16]).of_same_kind(&content()[..]).unwrap();
    let downloader = Downloader::new(config()).unwrap();
    let mut watch = |_: Event<'_>| ControlFlow::Continue(());
    let mirrors = [server.url.clone()];
    downloader.fetch(&[file.clone()], &mirrors, folder.path(), Access::Online, &mut watch).unwrap();
    assert_fetched(folder.path());
    let other = Server::good(vec![1; 5000]);
    fs::remove_file(folder.path().join(NAME)).unwrap();
    let mirrors = [other.url.clone()];
    let error = downloader.fetch(&[file], &mirrors, folder.path(), Access::Online, &mut watch).unwrap_err();
    assert!(error.to_string().contains("wrong content: md5:"), "{error}");
}

#[test]
fn two_downloads_into_one_folder_take_turns_and_fetch_once() {
    let (server, folder) = (Server::good(content()), tempfile::tempdir().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| fetch(&[&server], folder.path()).unwrap());
        }
    });
    assert_fetched(folder.path());
    assert_eq!(server.ranges(), [None]);
}

#[test]
fn waiting_for_another_download_can_be_stopped() {
    let (server, folder) = (Server::good(content()), tempfile::tempdir().unwrap());
    let lock = fs::File::create(folder.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    let error = fetch_watched(&[&server], folder.path(), &mut |event: Event<'_>| match event {
        Event::Waiting { .. } => ControlFlow::Break(()),
        other => panic!("{other}"),
    })
    .unwrap_err();
    assert!(matches!(error, DownloadError::Stopped { received: 0, .. }), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_as_such() {
    const PLACE: &str = "DPNAS_DOWNLOAD_TEST_FOLDER";
    if let Some(folder) = std::env::var_os(PLACE) {
        let server = Server::good(content());
        let expected = format!(
            "no room for the 5000 bytes of DIR/{NAME}.part: the disk (or a quota or size limit) is full (File too large (os \
             error 27)); free space there, or choose a folder on another disk"
        );
        assert_eq!(error(&[&server], Path::new(&folder)), expected);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // This program again, with files of at most 2 KiB: writes fail as on a full disk.
    let limited = "trap '' XFSZ; ulimit -f 4; exec \"$0\" --exact place::a_full_disk_is_told_as_such";
    let program = std::env::current_exe().unwrap();
    let output = Command::new("sh").args(["-c", limited]).arg(program).env(PLACE, folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[cfg(target_os = "linux")]
#[test]
fn a_planted_link_or_pipe_in_place_of_the_part_is_refused() {
    for plant in ["link", "pipe"] {
        let (server, folder) = (Server::good(content()), tempfile::tempdir().unwrap());
        let (victim, part) = (folder.path().join("victim"), folder.path().join(format!("{NAME}.part")));
        match plant {
            "link" => std::os::unix::fs::symlink(&victim, &part).unwrap(),
            _ => assert!(Command::new("mkfifo").arg(&part).status().unwrap().success()),
        }
        let message = error(&[&server], folder.path());
        assert!(message.starts_with(&format!("cannot create DIR/{NAME}.part: ")), "{plant}: {message}");
        assert!(!victim.exists());
    }
}

#[cfg(unix)]
#[test]
fn a_planted_link_in_place_of_the_lock_is_refused() {
    let (server, folder) = (Server::good(content()), tempfile::tempdir().unwrap());
    let victim = folder.path().join("victim");
    std::os::unix::fs::symlink(&victim, folder.path().join(".lock")).unwrap();
    let message = error(&[&server], folder.path());
    assert!(message.starts_with("cannot create DIR/.lock: ") && !victim.exists(), "{message}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "").unwrap();
    let server = Server::good(content());
    let error = fetch(&[&server], &blocked.join("sub")).unwrap_err().to_string();
    assert!(error.starts_with("cannot "), "{error}");
    assert!(error.ends_with("; check the folder and its permissions"), "{error}");
    assert!(error.contains(&blocked.join("sub").display().to_string()), "{error}");
}

#[test]
fn without_a_mirror_there_is_nothing_to_fetch_from() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        error(&[], folder.path()),
        format!("there is no mirror to fetch {NAME} from; name one, for example https://example.org/files")
    );
}
