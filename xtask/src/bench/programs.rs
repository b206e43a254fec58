//! Builds a program, runs it, and sees its peak memory.

use crate::process::Call;
use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// Builds a target and gives the call of its program.
///
/// # Errors
/// If it does not build.
pub(crate) fn build(root: &Path, arguments: &[&str], name: &str) -> anyhow::Result<Call> {
    built(
        root,
        Call::cargo(["build", "--message-format=json-render-diagnostics"]).args(arguments.iter().copied()),
        name,
    )
}

/// Runs a call of cargo that builds a program among others, and gives the call of the program.
///
/// # Errors
/// If it does not build.
pub(crate) fn built(root: &Path, call: Call, name: &str) -> anyhow::Result<Call> {
    let messages = call.stdout(root)?;
    let program = executable(&messages, name).with_context(|| format!("`{call}` names no program `{name}`"))?;
    Ok(Call::new(&program, []))
}

/// The program of a target among cargo's messages.
fn executable(messages: &str, name: &str) -> Option<String> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs =
        messages.filter(|message| message["target"]["name"] == name && message["profile"]["test"] != true);
    programs.find_map(|message| message["executable"].as_str().map(str::to_owned))
}

/// Runs a program and reads the last line that it prints as JSON; with the most bytes that it had resident, where the
/// system says so.
///
/// # Errors
/// If the program cannot be started or fails (with the end of its standard error), or the line is something else.
pub(crate) fn run<T: DeserializeOwned>(call: &Call, folder: &Path) -> anyhow::Result<(T, Option<u64>)> {
    let mut command = call.command(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("RUST_BACKTRACE", "0");
    let mut child = command.spawn().with_context(|| format!("cannot start `{call}`"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = (thread::spawn(move || text(stdout)), thread::spawn(move || text(stderr)));
    let mut peak = None;
    let status = loop {
        // Before the end is noticed, because nothing is known of a process that has ended.
        peak = peak.max(peak_bytes(child.id()));
        match child.try_wait().with_context(|| format!("cannot wait for `{call}`"))? {
            Some(status) => break status,
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    if !status.success() {
        let lines: Vec<&str> = stderr.trim().lines().collect();
        bail!("`{call}` ended with {status}: {}", lines[lines.len().saturating_sub(5)..].join(" / "));
    }
    let line = stdout.trim().lines().next_back().unwrap_or_default();
    let figures = serde_json::from_str(line).with_context(|| format!("`{call}` printed no figures: `{line}`"))?;
    Ok((figures, peak))
}

fn text(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The most bytes that a process has had resident until now.
fn peak_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> anyhow::Result<(u32, Option<u64>)> {
        run(&Call::new("sh", ["-c", script]), Path::new("."))
    }

    #[test]
    fn a_program_is_found_among_the_messages_of_cargo() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"bench"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"bench"},"executable":"/t/bench"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "bench").as_deref(), Some("/t/bench"));
        assert_eq!(executable(messages, "other"), None);
    }

    #[test]
    fn the_last_line_and_the_memory_of_a_program_are_seen() {
        // More than a pipe holds, on both streams.
        let (figures, peak) = shell("seq 1 50000 >&2; seq 1 50000; sleep 0.1; echo 7").unwrap();
        assert_eq!(figures, 7);
        assert_eq!(peak.is_some_and(|bytes| bytes > 100_000), cfg!(target_os = "linux"), "{peak:?}");
    }

    #[test]
    fn a_failure_says_what_the_program_said_last() {
        let error = shell("echo early >&2; seq 1 9 >&2; exit 3").unwrap_err().to_string();
        assert!(error.contains("exit status: 3: 5 / 6 / 7 / 8 / 9") && !error.contains(": early"), "{error}");
        assert!(shell("echo nothing").unwrap_err().to_string().ends_with("printed no figures: `nothing`"));
    }
}
