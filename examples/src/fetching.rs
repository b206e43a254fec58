//! Fetches known data sets on first use, with progress on the terminal.

use crate::options::DataOptions;
use crate::progress::{bar, eprintln, say};
use anyhow::Result;
use dpnas::data::Known;
use dpnas::download::{Access, Event};
use dpnas::{FetchConfig, fetch_known};
use indicatif::ProgressBar;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// Fetches the missing files of a data set. Ends early when `stop` is set, and keeps the part.
///
/// # Errors
/// If a file is missing and cannot be fetched, or may not be.
pub fn fetch(known: Known, options: &DataOptions, stop: &AtomicBool) -> Result<()> {
    let config = FetchConfig {
        data_dir: options.data_dir.as_str().into(),
        access: if options.offline { Access::Offline } else { Access::Online },
        mirror: options.mirror.clone(),
        ..FetchConfig::standard()
    };
    let mut progress = FetchProgress::new();
    let fetched = fetch_known(known, &config, &mut |event| {
        progress.show(&event);
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.bar.finish_and_clear();
    fetched?;
    Ok(())
}

/// A bar on a terminal, a line for each tenth of a large file elsewhere.
struct FetchProgress {
    bar: ProgressBar,
    waiting: bool,
    tenths: u64,
}

impl FetchProgress {
    fn new() -> Self {
        let bar = bar("{msg}  {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}, {eta} left");
        Self { bar, waiting: false, tenths: 0 }
    }

    fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Received { name, received, total } => {
                if self.bar.length() != Some(*total) || self.bar.message() != *name {
                    self.bar.set_length(*total);
                    self.bar.set_message((*name).to_owned());
                    self.bar.set_position(*received);
                    self.bar.reset_eta();
                    self.tenths = 0;
                }
                self.bar.set_position(*received);
                let tenths = 10 * received / (*total).max(1);
                if self.bar.is_hidden() && tenths > self.tenths && *total > 10_000_000 {
                    self.tenths = tenths;
                    eprintln(&event.to_string());
                }
            }
            Event::Waiting { .. } if !self.waiting => {
                self.waiting = true;
                say(&self.bar, &event.to_string());
            }
            Event::Request { .. } | Event::Failed { .. } | Event::Finished { .. } => say(&self.bar, &event.to_string()),
            _ => self.bar.tick(),
        }
    }
}
