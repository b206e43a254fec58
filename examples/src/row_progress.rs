//! Progress of a number of rows on the terminal.

use crate::warnings::show_warnings;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// A bar on a terminal, nothing elsewhere.
pub struct RowProgress {
    bar: ProgressBar,
}

impl RowProgress {
    /// A display on standard error for so many rows; warnings of the libraries are shown above it.
    pub fn new(rows: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(rows as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} images  {per_sec}, {eta_precise} left") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        show_warnings(&bar, None);
        Self { bar }
    }

    /// Some rows are done.
    pub fn add(&self, rows: usize) {
        self.bar.inc(rows as u64);
    }
}

/// Removes the bar from the terminal.
impl Drop for RowProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
