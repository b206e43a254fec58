//! A fit on rows that are read when they are needed or stored as bf16: the bits of a fit on `f32` in memory, and what
//! happens when reading fails.

use dpnas_seed::Seed;
use dpnas_train::{
    Bf16, Element, Epoch, Fitted, Labelled, ProbeConfig, ReadRows, Split, Stop, TestSchedule, TrainError, fit,
};
use proptest::prelude::*;
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows that count how many of them are read at once, and fail or panic after some.
struct Shelf<E> {
    values: Vec<E>,
    columns: usize,
    most_at_once: AtomicUsize,
    reads: AtomicUsize,
    ends: Ends,
}

#[derive(Clone, Copy, PartialEq)]
enum Ends {
    Never,
    Fails { after: usize },
    Panics { after: usize },
}

impl<E: Element> Shelf<E> {
    fn new(values: &[E], columns: usize) -> Self {
        let (most_at_once, reads) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { values: values.to_vec(), columns, most_at_once, reads, ends: Ends::Never }
    }

    fn with<'a>(&'a self, labels: &'a [u32]) -> Labelled<'a, E> {
        Labelled::stored(self, labels).unwrap()
    }
}

impl<E: Element> ReadRows<E> for Shelf<E> {
    fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn read_rows(&self, indices: &[usize], out: &mut [E]) -> io::Result<()> {
        assert_eq!(out.len(), indices.len() * self.columns);
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        match self.ends {
            Ends::Fails { after } if read >= after => return Err(io::Error::other("the disk is gone")),
            Ends::Panics { after } if read >= after => std::panic::resume_unwind(Box::new("on purpose")),
            _ => {}
        }
        self.most_at_once.fetch_max(indices.len(), Ordering::Relaxed);
        for (&row, out) in indices.iter().zip(out.chunks_exact_mut(self.columns)) {
            out.copy_from_slice(&self.values[row * self.columns..][..self.columns]);
        }
        Ok(())
    }
}

fn rows(rows: usize, features: usize, classes: u32, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut values = vec![0.0; rows * features];
    Seed(seed).stream("rows", 0).fill_normal(0, &mut values);
    (values, (0..rows as u32).map(|row| row * 7 % classes).collect())
}

fn halved(values: &[f32]) -> Vec<Bf16> {
    values.iter().copied().map(Bf16::from_upper_half).collect()
}

fn go_on(_: &Epoch) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn bits(fitted: &Fitted) -> (Vec<u32>, Vec<u64>) {
    let weights = fitted.classifier.weights().iter().map(|w| w.to_bits()).collect();
    let epochs = fitted.report.epochs.iter().flat_map(|e| {
        [e.train_accuracy, e.train_loss, e.valid_accuracy, e.test_accuracy.unwrap_or(-1.0)].map(f64::to_bits)
    });
    (weights, epochs.collect())
}

fn threads(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn rows_that_are_read_or_stored_as_bf16_give_the_bits_of_f32_in_memory(
        seed: u64,
        features in prop_oneof![1usize..40, 500usize..530, 1_000usize..1_600],
        classes in 1u32..24,
        batch_size in prop_oneof![1usize..50, 90usize..400],
        drop_out in prop_oneof![Just(0.0f32), Just(0.4f32)],
        test in prop_oneof![Just(TestSchedule::AfterLast), Just(TestSchedule::EveryEpoch)],
        with_test: bool,
        sizes in (1usize..300, 1usize..300, 1usize..300),
    ) {
        let (train, train_labels) = rows(sizes.0, features, classes, seed);
        let (valid, valid_labels) = rows(sizes.1, features, classes, seed ^ 1);
        let (test_rows, test_labels) = rows(sizes.2, features, classes, seed ^ 2);
        let half = [&train, &valid, &test_rows].map(|values| halved(values));
        let [train, valid, test_rows] = half.each_ref().map(|values| values.iter().map(|x| x.to_f32()).collect::<Vec<_>>());
        let config = ProbeConfig {
            epochs: 3, batch_size, drop_out, test, early_stopping_threshold: 0.0, ..ProbeConfig::paper(Seed(seed))
        };
        let expected = fit(
            &config,
            classes,
            Labelled::new(&train, &train_labels, features).unwrap(),
            Labelled::new(&valid, &valid_labels, features).unwrap(),
            with_test.then(|| Labelled::new(&test_rows, &test_labels, features).unwrap()),
            &mut go_on,
        ).unwrap();
        let shelves = [&train, &valid, &test_rows].map(|values| Shelf::new(values, features));
        let half_shelves = half.each_ref().map(|values| Shelf::new(values, features));
        for n in [1, 2, 3] {
            let config = ProbeConfig { threads: threads(n), ..config.clone() };
            let labels = [&train_labels[..], &valid_labels, &test_labels];
            prop_assert_eq!(bits(&fit_shelves(&config, classes, &shelves, labels, with_test)), bits(&expected));
            prop_assert_eq!(bits(&fit_shelves(&config, classes, &half_shelves, labels, with_test)), bits(&expected));
            let [train, valid, test] = [0, 1, 2].map(|i| Labelled::new(&half[i], labels[i], features).unwrap());
            let test = with_test.then_some(test);
            let fitted = fit(&config, classes, train, valid, test, &mut go_on).unwrap();
            prop_assert_eq!(bits(&fitted), bits(&expected));
        }
        for shelf in &shelves {
            prop_assert!(shelf.most_at_once.load(Ordering::Relaxed) <= batch_size.max(64));
        }
    }
}

fn fit_shelves<E: Element>(
    config: &ProbeConfig,
    classes: u32,
    shelves: &[Shelf<E>; 3],
    labels: [&[u32]; 3],
    with_test: bool,
) -> Fitted {
    let [train, valid, test] = [0, 1, 2].map(|i| shelves[i].with(labels[i]));
    let test = with_test.then_some(test);
    fit(config, classes, train, valid, test, &mut go_on).unwrap()
}

/// 300 rows in mini-batches of 100: each epoch takes three batches to train and three to validate.
fn failing(ends: Ends, threads_: usize) -> Result<Fitted, TrainError> {
    let (values, labels) = rows(300, 600, 3, 5);
    let shelf = Shelf { ends, ..Shelf::new(&values, 600) };
    let config = ProbeConfig { batch_size: 100, epochs: 4, threads: threads(threads_), ..ProbeConfig::paper(Seed(1)) };
    fit(&config, 3, shelf.with(&labels), shelf.with(&labels), None, &mut go_on)
}

#[test]
fn rows_that_cannot_be_read_end_the_fit_with_the_set_the_epoch_and_the_reason() {
    for n in [1, 2] {
        for (after, split, epoch) in [
            (0, Split::Train, 1),
            (2, Split::Train, 1),
            (3, Split::Valid, 1),
            (6, Split::Train, 2),
            (23, Split::Valid, 4),
        ] {
            let reason = "the disk is gone".to_owned();
            assert_eq!(failing(Ends::Fails { after }, n).unwrap_err(), TrainError::Unread { split, epoch, reason });
        }
        assert!(failing(Ends::Fails { after: 24 }, n).is_ok());
    }
    let message = failing(Ends::Fails { after: 0 }, 1).unwrap_err().to_string();
    assert!(message.starts_with("the training rows cannot be read in epoch 1: the disk is gone"), "{message}");
}

#[test]
fn a_panic_while_reading_ends_the_threads() {
    for n in [1, 2] {
        for after in [0, 4] {
            assert!(std::panic::catch_unwind(|| failing(Ends::Panics { after }, n)).is_err());
        }
    }
}

#[test]
fn a_hook_that_ends_the_fit_or_panics_ends_the_reading() {
    let (values, labels) = rows(300, 600, 3, 5);
    let shelf = Shelf::new(&values, 600);
    let config = ProbeConfig { batch_size: 10, threads: threads(2), ..ProbeConfig::paper(Seed(1)) };
    let (train, valid) = (shelf.with(&labels), shelf.with(&labels));
    let report = fit(&config, 3, train, valid, None, &mut |_| ControlFlow::Break(())).unwrap().report;
    assert_eq!((report.stop, report.epochs.len()), (Stop::Cancelled, 1));
    // Of an epoch's 30 + 5 batches and three of the next.
    assert!(shelf.reads.load(Ordering::Relaxed) <= 38);
    let panicking = std::panic::catch_unwind(|| {
        fit(&config, 3, shelf.with(&labels), shelf.with(&labels), None, &mut |_| {
            std::panic::resume_unwind(Box::new("on purpose"))
        })
    });
    assert!(panicking.is_err());
}

#[test]
fn stored_rows_are_checked_as_rows_in_memory_are() {
    let (values, labels) = rows(6, 4, 2, 5);
    let shelf = Shelf::new(&values, 4);
    let error = Labelled::stored(&shelf, &labels[..5]).unwrap_err();
    assert_eq!(error, TrainError::LengthMismatch { values: 24, labels: 5, features: 4 });
    let run = |train, valid| fit(&ProbeConfig::paper(Seed(1)), 2, train, valid, None, &mut go_on).unwrap_err();
    let wrong = [0, 0, 2, 0, 0, 0];
    let error = TrainError::LabelOutOfRange { split: Split::Train, row: 2, label: 2, classes: 2 };
    assert_eq!(run(shelf.with(&wrong), shelf.with(&labels)), error);
    let wider = Shelf::new(&values, 8);
    let error = TrainError::LengthMismatch { values: 24, labels: 3, features: 4 };
    assert_eq!(run(shelf.with(&labels), wider.with(&labels[..3])), error);
}

#[test]
fn one_set_may_be_stored_and_another_in_memory() {
    let (values, labels) = rows(300, 600, 3, 5);
    let shelf = Shelf::new(&values, 600);
    let config = ProbeConfig { batch_size: 50, epochs: 3, threads: threads(2), ..ProbeConfig::paper(Seed(1)) };
    let (memory, stored) = (Labelled::new(&values, &labels, 600).unwrap(), shelf.with(&labels));
    let run = |train, valid, test| bits(&fit(&config, 3, train, valid, Some(test), &mut go_on).unwrap());
    let expected = run(memory, memory, memory);
    assert_eq!(run(memory, stored, memory), expected);
    assert_eq!(run(stored, memory, stored), expected);
    assert_eq!(run(memory, memory, stored), expected);
}

#[test]
fn numbers_that_are_not_finite_are_an_error_wherever_they_lie() {
    let (mut values, labels) = rows(300, 600, 3, 9);
    values[299 * 600 + 599] = f32::NAN;
    let shelf = Shelf::new(&values, 600);
    for n in [1, 2] {
        let config = ProbeConfig { threads: threads(n), ..ProbeConfig::paper(Seed(1)) };
        let error = fit(&config, 3, shelf.with(&labels), shelf.with(&labels), None, &mut go_on).unwrap_err();
        assert_eq!(error, TrainError::NotFinite { split: Split::Train, epoch: 1 });
    }
}
