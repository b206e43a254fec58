//! A whole fit: threads, epochs, early stopping, and the classifier at the end.

use crate::barrier::Broken;
use crate::block::{Block, Blocks};
use crate::memory::fit_memory;
use crate::order::{in_order, shuffled};
use crate::report::stops_early;
use crate::stored::{ReadRows, Set, StoredRows, Values};
use crate::worker::{Halt, Shared, Worker};
use crate::{
    Element, Epoch, Labelled, LinearClassifier, ProbeConfig, Split, Stop, TestSchedule, TrainError, TrainReport,
};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// A trained classifier and the course of its training.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The classifier after the last epoch that was run.
    pub classifier: LinearClassifier,
    /// The course of the training.
    pub report: TrainReport,
}

/// Trains the bias-free linear classifier on `train`; `on_epoch` sees each epoch's record and may end the fit.
///
/// Weights start uniform in ±1/√features. The result is the same, bit for bit, for any number of threads and for either
/// [`Element`] that holds the values.
///
/// # Shapes
/// The rows of all sets are `[n, features]`.
///
/// # Errors
/// A wrong setting, an empty or inconsistent set, a label that is not below `classes`, or
/// [`TrainError::NotFinite`] if the rows hold NaN or infinity, or training diverges.
///
/// # Source
/// SPEC §7.
pub fn fit<E: Element>(
    config: &ProbeConfig,
    classes: u32,
    features: usize,
    train: Labelled<'_, E>,
    valid: Labelled<'_, E>,
    test: Option<Labelled<'_, E>>,
    on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
) -> Result<Fitted, TrainError> {
    fit_sets(
        config,
        classes,
        features,
        Sets { train: train.into(), valid: valid.into(), test: test.map(Set::from) },
        on_epoch,
    )
}

/// As [`fit`], on rows that are read when they are needed: one thread more reads the rows of the next mini-batch while
/// the others work on the current one. The result has the bits of [`fit`] on the same rows.
///
/// Besides what [`fit_memory`](crate::fit_memory) counts, no row is held.
///
/// # Errors
/// As [`fit`], or [`TrainError::Unread`].
///
/// # Source
/// SPEC §7, §11.
pub fn fit_stored<E: Element>(
    config: &ProbeConfig,
    classes: u32,
    features: usize,
    train: StoredRows<'_, E>,
    valid: StoredRows<'_, E>,
    test: Option<StoredRows<'_, E>>,
    on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
) -> Result<Fitted, TrainError> {
    fit_sets(
        config,
        classes,
        features,
        Sets { train: train.into(), valid: valid.into(), test: test.map(Set::from) },
        on_epoch,
    )
}

fn fit_sets<E: Element>(
    config: &ProbeConfig,
    classes: u32,
    features: usize,
    sets: Sets<'_, E>,
    on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
) -> Result<Fitted, TrainError> {
    config.check()?;
    let mut classifier = LinearClassifier::initial(config.seed, classes, features)?;
    sets.train.check(Split::Train, features, classes)?;
    sets.valid.check(Split::Valid, features, classes)?;
    if let Some(test) = sets.test {
        test.check(Split::Test, features, classes)?;
    }
    fit_memory::<E>(config, classes, features).reserve(classes, features)?;
    let shared = Shared::new(config, Blocks::new(features, classes as usize), sets.train);
    let course = Course { shared: &shared, valid: sets.valid, test: sets.test, over: AtomicBool::new(false) };
    let weights = &classifier.weights;
    let (blocks, report) = std::thread::scope(|scope| {
        if matches!(sets.train.values, Values::Stored(_)) {
            scope.spawn(|| shared.feed.fill(course.reading_order()));
        }
        let helpers: Vec<_> = (1..shared.threads())
            .map(|index| {
                let worker = Worker::new(&shared, index, weights);
                let course = &course;
                scope.spawn(move || course.help(worker))
            })
            .collect();
        let (mut blocks, report) = course.lead(Worker::new(&shared, 0, weights), on_epoch);
        for helper in helpers {
            blocks.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        (blocks, report)
    });
    for block in &blocks {
        block.paste(features, &mut classifier.weights);
    }
    Ok(Fitted { classifier, report: report? })
}

/// The three sets of a fit.
#[derive(Clone, Copy)]
struct Sets<'a, E> {
    train: Set<'a, E>,
    valid: Set<'a, E>,
    test: Option<Set<'a, E>>,
}

/// What all threads do, in step with one another.
struct Course<'s, 'a, E> {
    shared: &'s Shared<'a, E>,
    valid: Set<'a, E>,
    test: Option<Set<'a, E>>,
    /// Set by the leader after an epoch: no further one follows.
    over: AtomicBool,
}

impl<'a, E: Element> Course<'_, 'a, E> {
    /// The calling thread: works like the others, keeps the records and decides when to stop.
    fn lead(
        &self,
        mut worker: Worker<'_, '_, E>,
        on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
    ) -> (Vec<Block>, Result<TrainReport, TrainError>) {
        let _guards = (self.shared.barrier.guard(), self.shared.feed.end_on_drop());
        let mut epochs = Vec::new();
        let mut stop = Stop::Completed;
        let outcome = self.epochs(&mut worker, |epoch| {
            let flow = on_epoch(&epoch);
            epochs.push(epoch);
            if self.is_hopeless(&epochs) {
                stop = Stop::EarlyStopped { epoch: epoch.index };
            } else if flow.is_break() && epoch.index < self.shared.config.epochs {
                stop = Stop::Cancelled;
            }
            stop == Stop::Completed
        });
        (worker.into_blocks(), outcome.map(|()| TrainReport::of(epochs, stop)))
    }

    /// Any other thread.
    fn help(&self, mut worker: Worker<'_, '_, E>) -> Vec<Block> {
        let _guard = self.shared.barrier.guard();
        // The leader reports what went wrong: it fails at the same meeting.
        let _ = self.epochs(&mut worker, |_| true);
        worker.into_blocks()
    }

    /// All epochs; `after` is asked after each whether to go on, and the leader's answer counts.
    fn epochs(&self, worker: &mut Worker<'_, '_, E>, mut after: impl FnMut(Epoch) -> bool) -> Result<(), TrainError> {
        let config = self.shared.config;
        for index in 1..=config.epochs {
            let failed = |split: Split| move |halt: Halt| self.failure(halt, split, index);
            let tally = worker.train_epoch(index - 1).map_err(failed(Split::Train))?;
            let correct = worker.evaluate(self.valid).map_err(failed(Split::Valid))?;
            let test_accuracy = match self.test_after(index) {
                Some(test) => Some(worker.evaluate(test).map_err(failed(Split::Test))? as f64 / test.len() as f64),
                None => None,
            };
            let rows = self.shared.train.len() as f64;
            let goes_on = after(Epoch {
                index,
                train_accuracy: tally.correct as f64 / rows,
                train_loss: tally.loss / rows,
                valid_accuracy: correct as f64 / self.valid.len() as f64,
                test_accuracy,
            });
            if !goes_on {
                self.over.store(true, Ordering::Relaxed);
            }
            if let Err(Broken) = self.shared.barrier.wait() {
                return Ok(());
            }
            if self.over.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The test set, if it is classified after an epoch (from 1).
    fn test_after(&self, epoch: u32) -> Option<Set<'a, E>> {
        let config = self.shared.config;
        self.test.filter(|_| config.test == TestSchedule::EveryEpoch || epoch == config.epochs)
    }

    /// Every batch of stored rows in the order in which the workers take them.
    fn reading_order(&self) -> impl Iterator<Item = (&'a dyn ReadRows<E>, Vec<usize>)> {
        let Shared { config, train, .. } = self.shared;
        let epochs = (1..=config.epochs).flat_map(move |epoch| {
            let order = shuffled(config, train.len(), epoch - 1);
            let batches: Vec<Vec<usize>> = order.chunks(config.batch_size).map(<[usize]>::to_vec).collect();
            let classified = [Some(self.valid), self.test_after(epoch)].into_iter().flatten();
            let classified = classified.flat_map(|set| in_order(config, &set).map(move |rows| (set, rows)));
            batches.into_iter().map(|rows| (*train, rows)).chain(classified)
        });
        epochs.filter_map(|(set, rows)| match set.values {
            Values::Memory(_) => None,
            Values::Stored(source) => Some((source, rows)),
        })
    }

    fn failure(&self, halt: Halt, split: Split, epoch: u32) -> TrainError {
        match (halt, self.shared.feed.failure()) {
            (Halt::Unread, Some(reason)) => TrainError::Unread { split, epoch, reason },
            // After a panic nobody sees the error: the panic goes on.
            _ => TrainError::NotFinite { split, epoch },
        }
    }

    fn is_hopeless(&self, epochs: &[Epoch]) -> bool {
        let config = self.shared.config;
        stops_early(epochs, config.early_stopping_epoch, config.early_stopping_threshold)
    }
}
