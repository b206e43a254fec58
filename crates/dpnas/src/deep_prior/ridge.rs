//! Ridge regression on rows of the three splits, embedded or raw.

use crate::deep_prior::embedding::Embedding;
use crate::{Metrics, ScoreError, Splits};
use dpnas_data::ImageSet;
use dpnas_heads::{HeadError, leave_one_out, leave_one_out_memory};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows that are read at once.
const BLOCK: usize = 1024;

/// Reads rows of a split: 0 has the training images, 1 the validation images, 2 the test images.
pub(crate) type Read<'a> = dyn Fn(usize, Range<usize>, &mut [f32]) -> Result<(), ScoreError> + Sync + 'a;

/// Fits a ridge regression to an embedding, wherever its rows are.
pub(crate) fn ridge_embedding(
    splits: &Splits,
    stop: &AtomicBool,
    embedding: &Embedding,
) -> Result<Metrics, ScoreError> {
    let rows = embedding.splits();
    ridge_rows(splits, stop, rows[0].columns(), &|split, range, out| {
        rows[split].read_rows(&range.collect::<Vec<_>>(), out).map_err(ScoreError::Rows)
    })
}

/// Fits a ridge regression to the pixels.
pub(crate) fn ridge_pixels(splits: &Splits, stop: &AtomicBool) -> Result<Metrics, ScoreError> {
    let features = splits.train.shape().elements().unwrap_or(0) as usize;
    let sets = sets(splits);
    ridge_rows(splits, stop, features, &|split, range, out| {
        out.copy_from_slice(sets[split].images(range));
        Ok(())
    })
}

/// Bytes of a ridge regression beside the rows.
pub(crate) fn ridge_memory(splits: &Splits, features: usize, threads: NonZeroUsize) -> u64 {
    leave_one_out_memory(splits.train.len() + splits.valid.len(), features, splits.classes() as usize, threads.get())
}

/// Training and validation rows are one set. The reward and the only validation accuracy are its leave-one-out accuracy.
pub(crate) fn ridge_rows(
    splits: &Splits,
    stop: &AtomicBool,
    features: usize,
    read: &Read<'_>,
) -> Result<Metrics, ScoreError> {
    let [train, valid, _] = sets(splits);
    let labels = [train.labels(), valid.labels()].concat();
    let fitted = leave_one_out(features, &labels, |range: Range<usize>, out: &mut [f32]| {
        if stop.load(Ordering::Relaxed) {
            return Err(ScoreError::Interrupted);
        }
        let of_train = range.start.min(train.len())..range.end.min(train.len());
        let of_valid = range.start.max(train.len()) - train.len()..range.end.max(train.len()) - train.len();
        let (first, second) = out.split_at_mut(of_train.len() * features);
        read(0, of_train, first)?;
        read(1, of_valid, second)
    });
    let fitted = match fitted {
        // No λ of the grid makes it solvable: the rows are too large for sums of squares.
        Err(ScoreError::Head(HeadError::Singular { .. })) => return Err(ScoreError::NotFinite),
        fitted => fitted?,
    };
    let correct = |split: usize, set: &ImageSet| -> Result<usize, ScoreError> {
        let (mut rows, mut correct) = (Vec::new(), 0);
        for start in (0..set.len()).step_by(BLOCK) {
            let range = start..set.len().min(start + BLOCK);
            rows.resize(range.len() * features, 0.0);
            read(split, range.clone(), &mut rows)?;
            correct += fitted.head.correct(&rows, &set.labels()[range])?;
        }
        Ok(correct)
    };
    let accuracy = |correct: usize, images: usize| if images == 0 { 0.0 } else { correct as f64 / images as f64 };
    Ok(Metrics {
        valid_accuracy: vec![fitted.accuracy],
        train_accuracy: vec![accuracy(correct(0, train)? + correct(1, valid)?, labels.len())],
        test_accuracy: accuracy(correct(2, &splits.test)?, splits.test.len()),
        ..Metrics::reward(fitted.accuracy)
    })
}

fn sets(splits: &Splits) -> [&ImageSet; 3] {
    [&splits.train, &splits.valid, &splits.test]
}
