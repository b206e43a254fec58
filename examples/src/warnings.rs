//! Warnings of the libraries, on the screen and in the log of a run.

use crate::progress::eprintln;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::level_filters::LevelFilter;

/// Where warnings go. Those before the log exists are kept for it.
struct Sink {
    bar: Option<ProgressBar>,
    log: Option<File>,
    early: String,
}

static SINK: Mutex<Sink> = Mutex::new(Sink { bar: None, log: None, early: String::new() });

fn sink() -> MutexGuard<'static, Sink> {
    SINK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the warnings of the libraries from now on.
pub(crate) fn listen() {
    // Only a second call fails.
    let _ = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::WARN)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(|| Line)
        .try_init();
}

/// Shows further warnings above a bar, and writes all, also earlier ones, into a log.
pub(crate) fn attach(bar: &ProgressBar, log: Option<&File>) {
    let mut sink = sink();
    sink.bar = Some(bar.clone());
    if let Some(mut log) = log.and_then(|file| file.try_clone().ok()) {
        // A log that cannot be written must not end a job.
        let _ = log.write_all(sink.early.as_bytes());
        sink.log = Some(log);
    }
}

/// Shows one warning.
pub(crate) fn show(line: &str) {
    let mut sink = sink();
    match &sink.bar {
        Some(bar) => bar.suspend(|| eprintln(line)),
        None => eprintln(line),
    }
    let line = format!("{line}\n");
    match &mut sink.log {
        Some(log) => drop(log.write_all(line.as_bytes())),
        None => sink.early += &line,
    }
}

/// Takes the lines of the subscriber.
struct Line;

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        show(String::from_utf8_lossy(text).trim());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
