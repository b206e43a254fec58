//! The linear classifier, timed on rows that were embedded.

use crate::rows::Rows;
use crate::timed;
use anyhow::Result;
use dpnas_seed::Seed;
use dpnas_train::{Element, Labelled, ProbeConfig, fit};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

/// Which rows the classifier is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// All of them; one is validated, because there must be one. What the peer does.
    All,
    /// Nine tenths; the last tenth is validated after each epoch. What scoring does.
    HoldOut,
}

/// The seconds of a fit with the published settings and so many epochs, none of them spared by early stopping.
///
/// # Errors
/// If there are no rows or no classes.
pub(crate) fn seconds(
    rows: &Rows,
    features: usize,
    classes: u32,
    epochs: u32,
    threads: NonZeroUsize,
    split: Split,
) -> Result<f64> {
    match rows {
        Rows::F32(rows) => of_rows(rows, features, classes, epochs, threads, split),
        Rows::Bf16(rows) => of_rows(rows, features, classes, epochs, threads, split),
    }
}

fn of_rows<E: Element>(
    rows: &[E],
    features: usize,
    classes: u32,
    epochs: u32,
    threads: NonZeroUsize,
    split: Split,
) -> Result<f64> {
    let count = rows.len() / features.max(1);
    let labels = labels(count, classes);
    let (train, valid) = match split {
        Split::All => (0..count, 0..count.min(1)),
        Split::HoldOut => (0..count - count / 10, count - count / 10..count),
    };
    let set = |range: std::ops::Range<usize>| {
        Labelled::new(&rows[range.start * features..range.end * features], &labels[range], features)
    };
    let (train, valid) = (set(train)?, set(valid)?);
    let config = ProbeConfig { epochs, threads, early_stopping_threshold: 0.0, ..ProbeConfig::paper(Seed(1)) };
    let (fitted, seconds) =
        timed(|| fit(&config, classes, features, train, valid, None, &mut |_| ControlFlow::Continue(())));
    fitted?;
    Ok(seconds)
}

fn labels(count: usize, classes: u32) -> Vec<u32> {
    let mut numbers = vec![0.0; count];
    Seed(1).stream("labels", 0).fill_uniform(0, 0.0, classes as f32, &mut numbers);
    numbers.into_iter().map(|number| (number as u32).min(classes.saturating_sub(1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_of_every_class_and_no_other() {
        let labels = labels(1000, 10);
        assert!((0..10).all(|class| labels.contains(&class)) && labels.iter().all(|label| *label < 10));
    }

    #[test]
    fn a_fit_takes_time_on_all_rows_and_on_nine_tenths() {
        let rows = Rows::F32(vec![0.5; 40 * 3]);
        for split in [Split::All, Split::HoldOut] {
            assert!(seconds(&rows, 3, 10, 2, NonZeroUsize::MIN, split).unwrap() > 0.0);
        }
        assert!(seconds(&Rows::F32(Vec::new()), 3, 10, 2, NonZeroUsize::MIN, Split::All).is_err());
    }
}
