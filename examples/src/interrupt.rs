//! Ending a job with Ctrl-C.

use crate::progress::eprintln;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that Ctrl-C sets, saying `message`; a second Ctrl-C ends the process at once.
///
/// # Errors
/// If the process listens to Ctrl-C already.
pub fn stop_on_ctrl_c(message: &'static str) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln(message);
    })
    .context("cannot listen to Ctrl-C")?;
    Ok(stop)
}
