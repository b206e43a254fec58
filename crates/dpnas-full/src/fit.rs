//! A whole training: epochs, early stopping, checkpoints.

use crate::adam::AdamStep;
use crate::batch::Batch;
use crate::checkpoint::{Checkpoints, Store};
use crate::data::Examples;
use crate::machine::Machine;
use crate::model::Model;
use crate::{Epoch, FullConfig, FullError, Split, Stop, TestSchedule, TrainReport};
use burn::tensor::backend::Backend;
use dpnas_prior::Prior;
use dpnas_train::stops_early;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

/// One network to train.
#[derive(Clone, Copy, Debug)]
pub struct TrainJob<'a> {
    /// The architecture and the encoder's initial weights.
    pub prior: &'a Prior,
    /// How to train.
    pub config: &'a FullConfig,
    /// Images to learn from.
    pub train: Examples<'a>,
    /// Images whose accuracy is the reward.
    pub valid: Examples<'a>,
    /// Images that decide nothing.
    pub test: Option<Examples<'a>>,
    /// Bytes that activations may take. No result depends on it.
    pub memory_budget: u64,
    /// Images computed at once, at most, but at least one block. No result depends on it.
    pub largest_chunk: NonZeroUsize,
    /// Where to go on from and to keep the training after each epoch.
    pub checkpoints: Option<&'a Checkpoints>,
    /// Ends the training, between steps, once it is set.
    pub stop: &'a AtomicBool,
}

impl TrainJob<'_> {
    /// Checks settings and images.
    pub(crate) fn check(&self) -> Result<(), FullError> {
        self.config.check()?;
        self.train.check(Split::Train, self.prior.plan())?;
        self.valid.check(Split::Valid, self.prior.plan())?;
        self.test.map_or(Ok(()), |test| test.check(Split::Test, self.prior.plan()))
    }

    fn check_stop(&self) -> Result<(), FullError> {
        if self.stop.load(Ordering::Relaxed) { Err(FullError::Interrupted) } else { Ok(()) }
    }
}

/// Trains the model of a checked job; `on_epoch` sees each new epoch's record.
pub(crate) fn fit<B: Backend>(
    machine: &Machine<'_, B>,
    model: &mut Model,
    job: &TrainJob<'_>,
    engine: &str,
    on_epoch: &mut dyn FnMut(&Epoch),
) -> Result<TrainReport, FullError> {
    let config = job.config;
    let store = job.checkpoints.map(|checkpoints| Store::new(checkpoints, engine, job.prior, config));
    let mut epochs = match &store {
        Some(store) => store.resume(model)?,
        None => Vec::new(),
    };
    loop {
        if stops_early(&epochs, config.early_stopping_epoch, config.early_stopping_threshold) {
            return Ok(TrainReport::of(epochs, Stop::EarlyStopped { epoch: config.early_stopping_epoch }));
        }
        let index = epochs.len() as u32 + 1;
        if index > config.epochs {
            return Ok(TrainReport::of(epochs, Stop::Completed));
        }
        let epoch = run_epoch(machine, model, job, index)?;
        on_epoch(&epoch);
        epochs.push(epoch);
        if let Some(store) = &store {
            store.save(model, &epochs)?;
        }
    }
}

fn run_epoch<B: Backend>(
    machine: &Machine<'_, B>,
    model: &mut Model,
    job: &TrainJob<'_>,
    index: u32,
) -> Result<Epoch, FullError> {
    let config = job.config;
    let diverged = |split| FullError::NotFinite { split, epoch: index };
    let mut order: Vec<usize> = (0..job.train.len()).collect();
    dpnas_seed::shuffle(&mut config.seed.stream("shuffle", u64::from(index - 1)).rng(), &mut order);
    let rate_factor = config.schedule.factor(index - 1, config.epochs);
    let (mut loss, mut correct) = (0.0, 0);
    for rows in order.chunks(config.batch_size) {
        job.check_stop()?;
        let drop_out = (config.drop_out > 0.0).then(|| (config.seed.stream("drop-out", model.steps), config.drop_out));
        let batch = Batch { examples: job.train, rows, drop_out };
        let result = machine.gradient(model, &batch)?.filter(|result| result.gradient.is_finite());
        let result = result.ok_or_else(|| diverged(Split::Train))?;
        let step = AdamStep::new(config, model.steps + 1, rate_factor);
        model.descend(&result.gradient, &step);
        model.norms.iter_mut().zip(&result.moments).for_each(|(norm, moments)| norm.update(moments));
        loss += result.loss;
        correct += result.correct;
    }
    job.check_stop()?;
    let accuracy = |split, examples: Examples<'_>| -> Result<f64, FullError> {
        let correct = machine.classify(model, examples)?.ok_or_else(|| diverged(split))?;
        Ok(correct as f64 / examples.len() as f64)
    };
    let images = job.train.len() as f64;
    let due = config.test == TestSchedule::EveryEpoch || index == config.epochs;
    Ok(Epoch {
        index,
        train_accuracy: correct as f64 / images,
        train_loss: loss / images,
        valid_accuracy: accuracy(Split::Valid, job.valid)?,
        test_accuracy: job.test.filter(|_| due).map(|test| accuracy(Split::Test, test)).transpose()?,
    })
}
