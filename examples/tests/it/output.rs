//! Standard output that cannot be written.

use crate::stderr;
use std::fs::File;
use std::process::{Command, Stdio};

const NET: &str = "[C(8,3,1,1,1), SM(10)]";

/// A quick command of each program, without the place for its files.
fn programs() -> Vec<(Command, &'static str)> {
    let command = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments);
        command
    };
    let quick = ["--limit-train", "100", "--epochs", "1", "--cache", "off"];
    vec![
        (command(env!("CARGO_BIN_EXE_inspect"), &["--net", NET]), ""),
        (command(env!("CARGO_BIN_EXE_inspect"), &["--help"]), ""),
        (command(env!("CARGO_BIN_EXE_search"), &[&quick[..], &["--schedule", "1.0:2"]].concat()), "--runs"),
        (command(env!("CARGO_BIN_EXE_score"), &[&quick[..], &["--net", NET]].concat()), "--runs"),
        (command(env!("CARGO_BIN_EXE_embed"), &["--net", NET, "--limit-train", "20", "--cache", "off"]), "--output"),
    ]
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_printed_is_an_error() {
    for (mut command, place) in programs() {
        let folder = tempfile::tempdir().unwrap();
        if !place.is_empty() {
            command.arg(place).arg(folder.path().join("new"));
        }
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let message = "error: cannot write to standard output: No space left on device (os error 28)\n";
        assert!(stderr(&output).ends_with(message), "{command:?}: {}", stderr(&output));
    }
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    for (mut command, place) in programs() {
        let folder = tempfile::tempdir().unwrap();
        if !place.is_empty() {
            command.arg(place).arg(folder.path().join("new"));
        }
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("error"), "{command:?}: {}", stderr(&output));
    }
}
