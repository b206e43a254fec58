//! Known data sets fetched on first use, with their progress on the terminal.

use crate::options::DataOptions;
use crate::progress::eprintln;
use anyhow::Result;
use dpnas::data::Known;
use dpnas::download::{Access, Event};
use dpnas::{FetchConfig, fetch_known};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes sure that a data set is in its folder. Ends early, with what has arrived kept, when `stop` is set.
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

/// A bar on a terminal, a line now and then elsewhere.
struct FetchProgress {
    bar: ProgressBar,
    terminal: bool,
    waiting: bool,
    tenths: u64,
}

impl FetchProgress {
    fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = "{msg}  {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self { bar, terminal, waiting: false, tenths: 0 }
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
                if !self.terminal && tenths > self.tenths && *total > 10_000_000 {
                    self.tenths = tenths;
                    eprintln(&event.to_string());
                }
            }
            Event::Waiting { .. } if !self.waiting => {
                self.waiting = true;
                self.say(event);
            }
            Event::Request { .. } | Event::Failed { .. } | Event::Finished { .. } => self.say(event),
            _ => self.bar.tick(),
        }
    }

    fn say(&self, event: &Event<'_>) {
        if self.terminal {
            self.bar.println(event.to_string());
        } else {
            eprintln(&event.to_string());
        }
    }
}
