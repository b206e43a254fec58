//! A whole fit: threads, epochs, early stopping, and the classifier at the end.

use crate::barrier::Broken;
use crate::block::{Block, Blocks};
use crate::report::mean_of_last_five;
use crate::worker::{Halt, Shared, Worker};
use crate::{Epoch, Labelled, LinearClassifier, ProbeConfig, ProbeReport, Split, Stop, TestSchedule, TrainError};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// A trained classifier and the course of its training.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The classifier after the last epoch that was run.
    pub classifier: LinearClassifier,
    /// The course of the training.
    pub report: ProbeReport,
}

/// Trains the bias-free linear classifier on `train`; `on_epoch` sees each epoch's record and may end the fit.
///
/// Weights start uniform in ±1/√features. The result is the same, bit for bit, for any number of threads.
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
pub fn fit(
    config: &ProbeConfig,
    classes: u32,
    features: usize,
    train: Labelled<'_>,
    valid: Labelled<'_>,
    test: Option<Labelled<'_>>,
    on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
) -> Result<Fitted, TrainError> {
    config.check()?;
    let mut classifier = LinearClassifier::initial(config.seed, classes, features)?;
    train.check(Split::Train, features, classes)?;
    valid.check(Split::Valid, features, classes)?;
    if let Some(test) = test {
        test.check(Split::Test, features, classes)?;
    }
    let shared = Shared::new(config, Blocks::new(features, classes as usize), train);
    let course = Course { shared: &shared, valid, test, over: AtomicBool::new(false) };
    let weights = &classifier.weights;
    let (blocks, report) = std::thread::scope(|scope| {
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

/// What all threads do, in step with one another.
struct Course<'s, 'a> {
    shared: &'s Shared<'a>,
    valid: Labelled<'a>,
    test: Option<Labelled<'a>>,
    /// Set by the leader after an epoch: no further one follows.
    over: AtomicBool,
}

impl Course<'_, '_> {
    /// The calling thread: works like the others, keeps the records and decides when to stop.
    fn lead(
        &self,
        mut worker: Worker<'_, '_>,
        on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
    ) -> (Vec<Block>, Result<ProbeReport, TrainError>) {
        let _guard = self.shared.barrier.guard();
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
        let test_accuracy = match stop {
            Stop::Completed => epochs.last().and_then(|epoch| epoch.test_accuracy).unwrap_or(0.0),
            Stop::EarlyStopped { .. } | Stop::Cancelled => 0.0,
        };
        (worker.into_blocks(), outcome.map(|()| ProbeReport { epochs, stop, test_accuracy }))
    }

    /// Any other thread.
    fn help(&self, mut worker: Worker<'_, '_>) -> Vec<Block> {
        let _guard = self.shared.barrier.guard();
        // The leader reports what went wrong: it fails at the same meeting.
        let _ = self.epochs(&mut worker, |_| true);
        worker.into_blocks()
    }

    /// All epochs; `after` is asked after each whether to go on, and the leader's answer counts.
    fn epochs(&self, worker: &mut Worker<'_, '_>, mut after: impl FnMut(Epoch) -> bool) -> Result<(), TrainError> {
        let config = self.shared.config;
        for index in 1..=config.epochs {
            let failed = |split: Split| move |_: Halt| TrainError::NotFinite { split, epoch: index };
            let tally = worker.train_epoch(index - 1).map_err(failed(Split::Train))?;
            let correct = worker.evaluate(self.valid).map_err(failed(Split::Valid))?;
            let due = config.test == TestSchedule::EveryEpoch || index == config.epochs;
            let test_accuracy = match self.test.filter(|_| due) {
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

    fn is_hopeless(&self, epochs: &[Epoch]) -> bool {
        let config = self.shared.config;
        epochs.len() == config.early_stopping_epoch as usize
            && mean_of_last_five(epochs) < config.early_stopping_threshold
    }
}
