//! Training the linear classifier on rows of the three splits, embedded or raw.

use crate::deep_prior::embedding::{Embedding, FileRows, RowNumber};
use crate::deep_prior::ridge::ridge_pixels;
use crate::{Head, Metrics, RowPlace, ScoreError, Splits};
use dpnas_cache::DType;
use dpnas_train::{Bf16, Element, Fitted, Labelled, ProbeConfig, Stop, TrainError, fit};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// Trains the classifier on raw pixels, as a baseline for architectures.
///
/// # Errors
/// [`ScoreError::Interrupted`] if the stop flag was set, another [`ScoreError`] if the training failed.
pub fn pixel_baseline(
    splits: &Splits,
    head: Head,
    probe: &ProbeConfig,
    stop: &AtomicBool,
) -> Result<Metrics, ScoreError> {
    if head == Head::Ridge {
        return ridge_pixels(splits, stop);
    }
    let features = splits.train.shape().elements().unwrap_or(0) as usize;
    let sets = [&splits.train, &splits.valid, &splits.test];
    let rows = sets.map(|set| Labelled::new(set.pixels(), set.labels(), features));
    Ok(Metrics::of(&train(splits, probe, stop, rows)?.report, probe.test))
}

/// Trains the linear classifier on an embedding in memory or in a file.
pub(crate) fn train_embedding(
    splits: &Splits,
    probe: &ProbeConfig,
    stop: &AtomicBool,
    embedding: &Embedding,
) -> Result<Fitted, ScoreError> {
    match embedding.splits()[0].dtype() {
        DType::F32 => train_rows::<f32>(splits, probe, stop, embedding),
        DType::Bf16 => train_rows::<Bf16>(splits, probe, stop, embedding),
    }
}

fn train_rows<E: RowNumber>(
    splits: &Splits,
    probe: &ProbeConfig,
    stop: &AtomicBool,
    embedding: &Embedding,
) -> Result<Fitted, ScoreError> {
    let rows = embedding.splits().each_ref().map(FileRows);
    let labelled = |split: usize, labels| match (embedding.place(), E::of(rows[split].0)) {
        (RowPlace::Memory, Some(values)) => Labelled::new(values, labels, rows[split].0.columns()),
        _ => Labelled::stored(&rows[split], labels),
    };
    let [train_labels, valid_labels, test_labels] =
        [&splits.train, &splits.valid, &splits.test].map(|set| set.labels());
    train(splits, probe, stop, [labelled(0, train_labels), labelled(1, valid_labels), labelled(2, test_labels)])
}

fn train<E: Element>(
    splits: &Splits,
    probe: &ProbeConfig,
    stop: &AtomicBool,
    [train, valid, test]: [Result<Labelled<'_, E>, TrainError>; 3],
) -> Result<Fitted, ScoreError> {
    let test = Some(test?).filter(|test| !test.is_empty());
    let fitted = fit(probe, splits.classes(), train?, valid?, test, &mut |_| flow(stop))?;
    completed(fitted)
}

/// A fit that the stop flag has ended is an error.
pub(crate) fn completed(fitted: Fitted) -> Result<Fitted, ScoreError> {
    if fitted.report.stop == Stop::Cancelled { Err(ScoreError::Interrupted) } else { Ok(fitted) }
}

pub(crate) fn flow(stop: &AtomicBool) -> ControlFlow<()> {
    if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
