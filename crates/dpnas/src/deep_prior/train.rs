//! Training the linear classifier on rows of the three splits, embedded or raw.

use crate::deep_prior::embedding::{Embedding, FileRows};
use crate::{RowPlace, ScoreError, Splits};
use dpnas_cache::{DType, Stored};
use dpnas_train::{Epoch, Fitted, Labelled, ProbeConfig, Stop, StoredRows, fit, fit_stored};
use half::bf16;
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

/// Trains the linear classifier on an embedding, wherever its rows are.
pub(crate) fn train_embedding(
    splits: &Splits,
    probe: &ProbeConfig,
    stop: &AtomicBool,
    embedding: &Embedding,
) -> Result<Fitted, ScoreError> {
    match embedding.splits()[0].dtype() {
        DType::F32 => train_stored::<f32>(splits, probe, stop, embedding),
        DType::Bf16 => train_stored::<bf16>(splits, probe, stop, embedding),
    }
}

/// The same on rows that are stored as `E`.
fn train_stored<E: Stored + dpnas_train::Element>(
    splits: &Splits,
    probe: &ProbeConfig,
    stop: &AtomicBool,
    embedding: &Embedding,
) -> Result<Fitted, ScoreError> {
    let [train, valid, test] = embedding.splits();
    let features = train.columns();
    match (embedding.place(), train.values::<E>(), valid.values(), test.values()) {
        (RowPlace::Memory, Some(train), Some(valid), Some(test)) => {
            train_rows(splits, probe, stop, features, [train, valid, test])
        }
        _ => {
            let [train, valid, test] = [train, valid, test].map(FileRows);
            let train = StoredRows::<E> { rows: &train, labels: splits.train.labels() };
            let valid = StoredRows { rows: &valid, labels: splits.valid.labels() };
            let test = (!splits.test.is_empty()).then_some(StoredRows { rows: &test, labels: splits.test.labels() });
            completed(fit_stored(probe, splits.classes(), features, train, valid, test, &mut |_: &Epoch| flow(stop))?)
        }
    }
}

/// Trains the linear classifier on the rows of the three splits, `[n, features]` each.
fn train_rows<E: dpnas_train::Element>(
    splits: &Splits,
    probe: &ProbeConfig,
    stop: &AtomicBool,
    features: usize,
    [train, valid, test]: [&[E]; 3],
) -> Result<Fitted, ScoreError> {
    let train = Labelled::new(train, splits.train.labels(), features)?;
    let valid = Labelled::new(valid, splits.valid.labels(), features)?;
    let test = match splits.test.is_empty() {
        true => None,
        false => Some(Labelled::new(test, splits.test.labels(), features)?),
    };
    completed(fit(probe, splits.classes(), features, train, valid, test, &mut |_: &Epoch| flow(stop))?)
}

fn flow(stop: &AtomicBool) -> ControlFlow<()> {
    if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn completed(fitted: Fitted) -> Result<Fitted, ScoreError> {
    if fitted.report.stop == Stop::Cancelled { Err(ScoreError::Interrupted) } else { Ok(fitted) }
}
