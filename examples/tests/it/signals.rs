//! Signals: those that end a job, and those that a job was started to ignore.

use crate::{search, stderr, wait_for};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const NET: &str = "[C(64,3,1,1,0), C(64,3,1,1,0), SM(10)]";
const SIGNALS: [(&str, i32); 3] = [("HUP", 129), ("INT", 130), ("TERM", 143)];

/// A command of each program in `folder`, the file that shows that it is at work, and a text in that file.
fn jobs(folder: &Path, length: &str) -> [(Command, &'static str, &'static str); 2] {
    let program = |path: &str| {
        let mut command = Command::new(path);
        command.current_dir(folder).args(["--limit-train", "300", "--epochs", "20", "--cache", "off", "--runs", "."]);
        command
    };
    let mut search = program(env!("CARGO_BIN_EXE_search"));
    search.args(["--schedule", &format!("1.0:{length}")]);
    let mut score = program(env!("CARGO_BIN_EXE_score"));
    score.args(["--net", NET, "--draws", length]);
    [(search, "journal.jsonl", "\"event\":\"told\""), (score, "scores.jsonl", "\"event\":\"scored\"")]
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn kill(signals: &[&str], child: &Child) {
    let kills: Vec<String> = signals.iter().map(|signal| format!("kill -{signal} {}", child.id())).collect();
    assert!(Command::new("sh").args(["-c", &kills.join("; ")]).status().unwrap().success());
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn each_signal_ends_a_run_with_its_own_status_and_the_command_that_resumes_it() {
    for (signal, status) in SIGNALS {
        let folder = tempfile::tempdir().unwrap();
        for (mut command, journal, event) in jobs(folder.path(), "5000") {
            let child = spawn(&mut command);
            let run = wait_for(folder.path(), journal, event, 1);
            kill(&[signal], &child);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(status), "{signal}: {}", stderr(&output));
            assert!(text(&output).contains("ended (interrupted)"), "{}", text(&output));
            assert!(text(&output).contains(&format!(" --resume {}", run.display())), "{}", text(&output));
            let text = std::fs::read_to_string(run.join(journal)).unwrap();
            let last = text.lines().last().unwrap();
            assert!(last.starts_with("{\"event\":\"ended\",\"reason\":\"interrupted\",\"crc\":"), "{last}");
        }
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (mut command, journal, event) in jobs(folder.path(), "5000") {
        let child = spawn(&mut command);
        let run = wait_for(folder.path(), journal, event, 1);
        kill(&["INT", "TERM"], &child);
        let output = child.wait_with_output().unwrap();
        // Threads may handle the two signals in either order; the later one gives the status.
        assert!(matches!(output.status.code(), Some(130 | 143)), "{:?} {}", output.status, stderr(&output));
        assert_eq!(text(&output), "");
        assert!(!std::fs::read_to_string(run.join(journal)).unwrap().contains("\"event\":\"ended\""));
    }
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    for (command, journal, event) in jobs(folder.path(), "40") {
        // As `nohup` and a script's background jobs start a program.
        let mut nohup = Command::new("sh");
        nohup.current_dir(folder.path()).args(["-c", "trap '' HUP INT TERM; exec \"$@\"", "sh"]);
        let child = spawn(nohup.arg(command.get_program()).args(command.get_args()));
        let run = wait_for(folder.path(), journal, event, 1);
        kill(&["HUP", "INT", "TERM", "HUP", "INT", "TERM"], &child);
        let sent_at = std::fs::read_to_string(run.join(journal)).unwrap();
        assert!(!sent_at.contains("\"event\":\"ended\""), "the job was over before the signals came");
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}: {}", output.status, stderr(&output));
        assert!(!text(&output).contains("interrupted"), "{}", text(&output));
    }
}

#[test]
fn an_ignored_signal_leaves_the_others_in_effect() {
    let folder = tempfile::tempdir().unwrap();
    let mut nohup = Command::new("sh");
    nohup.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(search().get_program());
    nohup.args(["--schedule", "1.0:5000", "--limit-train", "300", "--cache", "off", "--runs"]).arg(folder.path());
    let child = spawn(&mut nohup);
    wait_for(folder.path(), "journal.jsonl", "\"event\":\"told\"", 1);
    kill(&["HUP", "TERM"], &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert!(text(&output).contains("ended (interrupted)"), "the ignored signal counted as the first of two");
}

#[test]
fn a_signal_ends_a_long_step_and_does_not_count_as_a_kill_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let heavy = "C(512,7,1,3,1), ".repeat(4);
    let net = format!("[{heavy}SM(10)]");
    let mut run = None;
    for resumed in 0..3 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_score"));
        match &run {
            None => command.args(["--net", &net, "--threads", "1", "--cache", "off", "--runs"]).arg(folder.path()),
            Some(run) => command.arg("--resume").arg(run),
        };
        let child = spawn(&mut command);
        let path = wait_for(folder.path(), "scores.jsonl", "\"event\":\"scoring\"", resumed + 1);
        kill(&["TERM"], &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
        assert!(stderr(&output).contains("ended within a long step"), "{}", stderr(&output));
        let journal = std::fs::read_to_string(path.join("scores.jsonl")).unwrap();
        assert_eq!(journal.matches("\"event\":\"ended\"").count(), resumed, "{journal}");
        run = Some(path);
    }
}
