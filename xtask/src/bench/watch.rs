//! Runs a program to its end and sees how much memory it takes on the way.

use crate::process::Call;
use anyhow::{Context, bail};
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// Between two looks at the memory.
const PAUSE: Duration = Duration::from_millis(20);

/// What a program that succeeded left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    /// The most bytes that it has had resident; `None` where the system does not tell.
    pub(crate) peak_bytes: Option<u64>,
}

/// Runs a call in `folder` without printing it.
///
/// # Errors
/// If the program cannot be started, or fails: with the end of its standard error.
pub(crate) fn watch(call: &Call, folder: &Path) -> anyhow::Result<Ran> {
    let mut command = call.command(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("RUST_BACKTRACE", "0");
    let mut child = command.spawn().with_context(|| format!("cannot start `{call}`"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = (thread::spawn(move || text(stdout)), thread::spawn(move || text(stderr)));
    let mut peak_bytes = None;
    let status = loop {
        // The last look is before the end, since nothing is told of a program that has ended.
        peak_bytes = peak_bytes.max(peak(child.id()));
        match child.try_wait().with_context(|| format!("cannot wait for `{call}`"))? {
            Some(status) => break status,
            None => thread::sleep(PAUSE),
        }
    };
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    if !status.success() {
        let lines: Vec<&str> = stderr.trim().lines().collect();
        bail!("`{call}` ended with {status}: {}", lines[lines.len().saturating_sub(5)..].join(" / "));
    }
    Ok(Ran { stdout, peak_bytes })
}

fn text(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The most bytes that a process has had resident until now.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> anyhow::Result<Ran> {
        watch(&Call::new("sh", ["-c", script]), Path::new("."))
    }

    #[test]
    fn output_and_memory_of_a_program_are_seen() {
        let ran = shell("echo one; sleep 0.1; echo two").unwrap();
        assert_eq!(ran.stdout, "one\ntwo\n");
        let is_linux = cfg!(target_os = "linux");
        assert_eq!(ran.peak_bytes.is_some_and(|bytes| bytes > 100_000), is_linux, "{:?}", ran.peak_bytes);
    }

    #[test]
    fn more_output_than_a_pipe_holds_does_not_block() {
        assert_eq!(shell("seq 1 50000; seq 1 50000 >&2").unwrap().stdout.lines().count(), 50000);
    }

    #[test]
    fn a_failure_says_what_the_program_said_last() {
        let error = shell("echo early >&2; seq 1 9 >&2; exit 3").unwrap_err().to_string();
        assert!(error.contains("exit status: 3: 5 / 6 / 7 / 8 / 9") && !error.contains(": early"), "{error}");
    }
}
