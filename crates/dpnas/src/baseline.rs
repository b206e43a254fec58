//! Training the linear classifier on rows of the three splits, embedded or raw.

use crate::{ScoreError, Splits};
use dpnas_train::{Fitted, Labelled, ProbeConfig, Stop, fit};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// Trains the linear classifier on raw pixels: what an architecture has to beat.
///
/// # Errors
/// [`ScoreError::Interrupted`] if the stop flag was set, or what failed.
pub fn pixel_baseline(splits: &Splits, probe: &ProbeConfig, stop: &AtomicBool) -> Result<Fitted, ScoreError> {
    let features = splits.train.shape().elements().unwrap_or(0) as usize;
    train_rows(splits, probe, stop, features, [&splits.train, &splits.valid, &splits.test].map(|set| set.pixels()))
}

/// Trains the linear classifier on the rows of the three splits, `[n, features]` each.
pub(crate) fn train_rows(
    splits: &Splits,
    probe: &ProbeConfig,
    stop: &AtomicBool,
    features: usize,
    [train, valid, test]: [&[f32]; 3],
) -> Result<Fitted, ScoreError> {
    let train = Labelled::new(train, splits.train.labels(), features)?;
    let valid = Labelled::new(valid, splits.valid.labels(), features)?;
    let test = match splits.test.is_empty() {
        true => None,
        false => Some(Labelled::new(test, splits.test.labels(), features)?),
    };
    let mut on_epoch = |_: &dpnas_train::Epoch| match stop.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let fitted = fit(probe, splits.classes(), features, train, valid, test, &mut on_epoch)?;
    if fitted.report.stop == Stop::Cancelled { Err(ScoreError::Interrupted) } else { Ok(fitted) }
}
