//! What the libraries warn of, on the screen and in the log of a run.

use crate::progress::eprintln;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, Write};
use tracing::level_filters::LevelFilter;

/// Shows the warnings of the libraries from now on, above the progress bar, and writes them into a log.
///
/// The first call of a process decides. A log that cannot be written is passed over: it must not end a job.
pub fn show_warnings(bar: &ProgressBar, log: Option<&File>) {
    let (bar, log) = (bar.clone(), log.and_then(|file| file.try_clone().ok()));
    let screen = move || Screen { bar: bar.clone(), log: log.as_ref().and_then(|file| file.try_clone().ok()) };
    // Only a second call fails, and then warnings are shown already.
    let _ = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::WARN)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(screen)
        .try_init();
}

/// Takes one warning, a line.
struct Screen {
    bar: ProgressBar,
    log: Option<File>,
}

impl Write for Screen {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(text);
        self.bar.suspend(|| eprintln(line.trim()));
        if let Some(log) = &mut self.log {
            let _ = writeln!(log, "{}", line.trim());
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
