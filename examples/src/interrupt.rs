//! Signals that end a job: Ctrl-C, `SIGTERM` and, when a terminal closes, `SIGHUP`.

use crate::progress::eprintln;
use anyhow::{Context, Result};
use dpnas::RunFolder;
use signal_hook::{consts, flag, low_level};
use std::fs;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

#[cfg(unix)]
const SIGNALS: [i32; 3] = [consts::SIGHUP, consts::SIGINT, consts::SIGTERM];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [consts::SIGINT, consts::SIGTERM];

/// The latest signal; 0 before the first.
static LATEST: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Time after a signal in which a job may end by itself. Some steps look at the flag too rarely for that, for example a
/// convolution of a thousand feature maps or a mini-batch of full training.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The run that a signal ends, and the command that resumes it.
static RUN: Mutex<Option<(RunFolder, String)>> = Mutex::new(None);

/// Sets the run in whose folder a signal is noted, and the command that resumes it.
pub fn note_in(folder: &RunFolder, resume: String) {
    *RUN.lock().unwrap_or_else(PoisonError::into_inner) = Some((folder.clone(), resume));
}

/// A flag that a signal sets, which also shows `message`. The process ends a little later, also within a long step. A second
/// signal ends it at once.
///
/// A signal that is ignored when the process starts stays ignored: `nohup` relies on that for `SIGHUP`, shell scripts for
/// Ctrl-C in their background jobs.
///
/// # Errors
/// If the operating system refuses a signal handler or a thread.
pub fn stop_on_signals(message: &'static str) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in SIGNALS.into_iter().filter(|&signal| !is_ignored(signal)) {
        // Handlers run in this order: the flag is not set yet when the first signal arrives.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))
            .and_then(|_| flag::register_usize(signal, Arc::clone(&LATEST), signal as usize))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .with_context(|| format!("cannot handle signal {signal}"))?;
    }
    let seen = Arc::clone(&stop);
    let watch = move || {
        while !seen.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
        eprintln(message);
        end_late();
    };
    thread::Builder::new().spawn(watch).context("cannot start a thread")?;
    Ok(stop)
}

/// Notes the signal, and ends the process unless it ends by itself before. A run can be killed at any moment and resumed.
fn end_late() {
    let run = RUN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((folder, _)) = &run
        && let Err(error) = folder.note_interruption()
    {
        tracing::warn!("{error}; the evaluation that the signal ends counts as one that killed the run");
    }
    thread::sleep(PATIENCE);
    match run {
        Some((_, resume)) => eprintln(&format!("ended within a long step, which is lost; go on later with: {resume}")),
        None => eprintln("ended within a long step"),
    }
    low_level::exit(128 + LATEST.load(Ordering::Relaxed) as i32);
}

/// Lets a write that exceeds a limit on file sizes return an error, which is told, instead of ending the process.
pub fn survive_size_limits() {
    // Not in signal-hook; the number on Linux and macOS.
    #[cfg(unix)]
    const SIGXFSZ: i32 = 25;
    #[cfg(unix)]
    if let Err(error) = flag::register(SIGXFSZ, Arc::default()) {
        tracing::debug!("SIGXFSZ stays as it is: {error}");
    }
}

/// The exit status after a signal, 128 and its number; `None` before the first.
pub fn exit_status() -> Option<ExitCode> {
    match LATEST.load(Ordering::Relaxed) {
        0 => None,
        signal => Some(ExitCode::from(128 + signal as u8)),
    }
}

/// Whether this process ignores a signal. Linux tells; elsewhere a shell inherits it and survives the signal.
fn is_ignored(signal: i32) -> bool {
    match fs::read_to_string("/proc/self/status") {
        Ok(status) => mask(&status) >> (signal - 1) & 1 == 1,
        Err(_) => cfg!(unix) && survives(signal),
    }
}

/// The ignored signals in the text of `/proc/self/status`, a bit each.
fn mask(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn survives(signal: i32) -> bool {
    Command::new("sh").args(["-c", &format!("kill -{signal} $$")]).status().is_ok_and(|status| status.success())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_signal_is_found_by_its_bit_or_by_a_shell_that_survives_it() {
        let status = "Name:\tsearch\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000004002\n";
        assert_eq!(mask(status), 1 | 1 << 12);
        assert_eq!(mask("Name:\tsearch\n"), 0);
        // Rust ignores SIGPIPE, but resets it in its children.
        assert!(is_ignored(consts::SIGPIPE) || !cfg!(target_os = "linux"));
        assert!(!survives(consts::SIGTERM));
    }
}
