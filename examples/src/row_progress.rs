//! Progress of an embedding on the terminal.

use crate::progress::{bar, say};
use crate::warnings;
use indicatif::ProgressBar;

/// A bar on a terminal, nothing elsewhere.
pub struct RowProgress {
    bar: ProgressBar,
}

impl RowProgress {
    /// A display on standard error for `rows` rows; warnings of the libraries appear above it.
    pub fn new(rows: usize) -> Self {
        Self::of("images", rows)
    }

    /// A display that counts `total` things.
    pub fn of(things: &str, total: usize) -> Self {
        let bar = bar(&format!("{{bar:30}} {{pos}}/{{len}} {things}  {{per_sec}}, {{eta_precise}} left"));
        bar.set_length(total as u64);
        warnings::attach(&bar, None);
        Self { bar }
    }

    /// A line above the bar.
    pub fn say(&self, text: &str) {
        say(&self.bar, text);
    }

    /// Counts finished rows.
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
