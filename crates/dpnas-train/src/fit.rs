//! A whole fit: threads, epochs, early stopping, and the classifier at the end.

use crate::barrier::Broken;
use crate::block::{Block, Blocks};
use crate::data::Values;
use crate::memory::fit_memory;
use crate::order::in_order;
use crate::worker::{Halt, Shared, Worker};
use crate::{
    Element, Epoch, Labelled, LinearClassifier, ProbeConfig, ReadRows, Split, Stop, TestSchedule, TrainError,
    TrainReport,
};
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

/// A trained classifier and the record of its training.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fitted {
    /// The classifier after the last epoch.
    pub classifier: LinearClassifier,
    /// The record of the training.
    pub report: TrainReport,
}

impl Fitted {
    /// A classifier that other code has trained, with the record of its training.
    pub fn new(classifier: LinearClassifier, report: TrainReport) -> Self {
        Self { classifier, report }
    }
}

/// Trains the bias-free linear classifier on `train`; `on_epoch` sees each epoch's record and may end the fit.
///
/// Weights start uniform in ±1/√features. The result is the same, bit for bit, for any number of threads, for either
/// [`Element`], and for rows in memory or stored. One more thread reads stored rows while the others work on the rows
/// that it has read before; [`fit_memory`] counts its buffers.
///
/// # Errors
/// A wrong setting, a set that is empty or has another number of features than `train`, a label that is not below
/// `classes`, stored rows that cannot be read, too little memory, a thread that cannot be started, or
/// [`TrainError::NotFinite`] if the rows hold NaN or infinity, or training diverges.
///
/// # Source
/// SPEC §7, §11.
pub fn fit<E: Element>(
    config: &ProbeConfig,
    classes: u32,
    train: Labelled<'_, E>,
    valid: Labelled<'_, E>,
    test: Option<Labelled<'_, E>>,
    on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
) -> Result<Fitted, TrainError> {
    fit_from(config, LinearClassifier::initial(config.seed, classes, train.features)?, train, valid, test, on_epoch)
}

/// As [`fit`], from the weights of a classifier. Adam starts anew.
///
/// # Errors
/// As [`fit`].
pub fn fit_from<E: Element>(
    config: &ProbeConfig,
    mut classifier: LinearClassifier,
    train: Labelled<'_, E>,
    valid: Labelled<'_, E>,
    test: Option<Labelled<'_, E>>,
    on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
) -> Result<Fitted, TrainError> {
    config.check()?;
    let (features, classes) = (classifier.features(), classifier.classes());
    let splits = Split::ALL.into_iter().zip([Some(train), Some(valid), test]);
    splits
        .filter_map(|(split, set)| Some((split, set?)))
        .try_for_each(|(split, set)| set.check(split, features, classes))?;
    fit_memory::<E>(config, classes, features).reserve(classes, features)?;
    let shared = Shared::new(config, Blocks::new(features, classes as usize), train);
    let course = Course { shared: &shared, valid, test, over: AtomicBool::new(false) };
    let (blocks, report) = course.run(&classifier.weights, on_epoch)?;
    for block in &blocks {
        block.paste(features, &mut classifier.weights);
    }
    Ok(Fitted { classifier, report })
}

/// State of the threads of a fit, which work in lockstep.
struct Course<'s, 'a, E> {
    shared: &'s Shared<'a, E>,
    valid: Labelled<'a, E>,
    test: Option<Labelled<'a, E>>,
    /// Set by the leader after the last epoch.
    over: AtomicBool,
}

impl<'a, E: Element> Course<'_, 'a, E> {
    /// Starts the threads and trains. Returns the blocks of all threads, in order, and the record.
    fn run(
        &self,
        weights: &[f32],
        on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
    ) -> Result<(Vec<Block>, TrainReport), TrainError> {
        let shared = self.shared;
        let sets = [Some(shared.train), Some(self.valid), self.test];
        let reads = sets.into_iter().flatten().any(|set| matches!(set.values, Values::Stored(_)));
        let threads = shared.threads() + usize::from(reads);
        let failed =
            |number| move |error: io::Error| TrainError::Threads { number, threads, reason: error.to_string() };
        std::thread::scope(|scope| {
            // Even if this closure fails, no thread may keep waiting for another: the scope joins all of them.
            let _guards = (shared.barrier.break_on_drop(), shared.feed.end_on_drop());
            let mut helpers = Vec::new();
            for index in 1..shared.threads() {
                let worker = Worker::new(shared, index, weights);
                helpers.push(start(scope, move || self.help(worker)).map_err(failed(index + 1))?);
            }
            if reads {
                start(scope, || shared.feed.fill(self.reading_order())).map_err(failed(threads))?;
            }
            let (mut blocks, report) = self.lead(Worker::new(shared, 0, weights), on_epoch);
            for helper in helpers {
                blocks.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            Ok((blocks, report?))
        })
    }

    /// The calling thread: works like the others, keeps the records and decides when to stop.
    fn lead(
        &self,
        mut worker: Worker<'_, '_, E>,
        on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
    ) -> (Vec<Block>, Result<TrainReport, TrainError>) {
        let mut epochs = Vec::new();
        let mut stop = Stop::Completed;
        let outcome = self.epochs(&mut worker, |epoch| {
            let flow = on_epoch(&epoch);
            epochs.push(epoch);
            if self.shared.config.stops_early(&epochs) {
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
        let _guard = self.shared.barrier.break_on_drop();
        // The leader fails at the same step and reports the error.
        let _ = self.epochs(&mut worker, |_| true);
        worker.into_blocks()
    }

    /// Runs all epochs. After each one, `after` decides whether another follows; the leader's answer counts.
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
    fn test_after(&self, epoch: u32) -> Option<Labelled<'a, E>> {
        let config = self.shared.config;
        self.test.filter(|_| config.test == TestSchedule::EveryEpoch || epoch == config.epochs)
    }

    /// Every batch of stored rows in the order in which the workers take them.
    fn reading_order(&self) -> impl Iterator<Item = (&'a dyn ReadRows<E>, Vec<usize>)> {
        let Shared { config, train, .. } = self.shared;
        let epochs = (1..=config.epochs).flat_map(move |epoch| {
            let order = config.epoch_order(train.len(), epoch - 1);
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
            // After a panic nobody sees this error, because the panic is resumed.
            _ => TrainError::NotFinite { split, epoch },
        }
    }
}

fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    #[cfg(test)]
    tests::fail_in_turn()?;
    std::thread::Builder::new().name("dpnas-train".to_owned()).spawn_scoped(scope, work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_seed::Seed;
    use std::cell::Cell;
    use std::num::NonZeroUsize;
    use std::sync::mpsc;
    use std::time::Duration;

    thread_local! {
        /// Threads that can still be started from this one.
        static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    pub(super) fn fail_in_turn() -> io::Result<()> {
        let left = LEFT.get().checked_sub(1).ok_or_else(|| io::Error::other("no more threads"))?;
        LEFT.set(left);
        Ok(())
    }

    struct Zeros;

    impl ReadRows for Zeros {
        fn rows(&self) -> usize {
            8
        }

        fn columns(&self) -> usize {
            2_000
        }

        fn read_rows(&self, _: &[usize], out: &mut [f32]) -> io::Result<()> {
            out.fill(0.0);
            Ok(())
        }
    }

    /// A fit with four threads, or five if rows are read, of which `startable` can be started.
    fn fit_with(startable: usize, read: bool) -> Result<Fitted, TrainError> {
        LEFT.set(startable);
        let threads = NonZeroUsize::new(4).unwrap();
        let config = ProbeConfig { epochs: 2, threads, ..ProbeConfig::paper(Seed(1)) };
        let (values, labels) = (vec![0.0; 8 * 2_000], [0; 8]);
        let go_on = &mut |_: &Epoch| ControlFlow::Continue(());
        let set = match read {
            true => Labelled::stored(&Zeros, &labels),
            false => Labelled::new(&values, &labels, 2_000),
        };
        fit(&config, 2, set.clone()?, set?, None, go_on)
    }

    #[test]
    fn a_thread_that_cannot_be_started_is_an_error_and_ends_the_others() {
        for (read, threads) in [(false, 4), (true, 5)] {
            for startable in 0..threads {
                let (sender, receiver) = mpsc::channel();
                std::thread::spawn(move || sender.send(fit_with(startable, read)));
                let outcome = receiver.recv_timeout(Duration::from_secs(60)).expect("the fit hangs");
                match startable + 1 == threads {
                    true => assert!(outcome.is_ok(), "{outcome:?}"),
                    false => {
                        let (number, reason) = (startable + 2, "no more threads".to_owned());
                        assert_eq!(outcome.unwrap_err(), TrainError::Threads { number, threads, reason });
                    }
                }
            }
        }
        assert_eq!(
            fit_with(1, false).unwrap_err().to_string(),
            "thread 3 of 4 for training the classifier cannot be started: no more threads; use fewer threads, or raise the \
             limit on processes and memory"
        );
    }
}
