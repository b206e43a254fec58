//! A whole training: epochs, early stopping and checkpoints.

use crate::adam::AdamStep;
use crate::batch::Batch;
use crate::checkpoint::Store;
use crate::device::Device;
use crate::machine::Machine;
use crate::model::Model;
use dpnas_train::{Epoch, Examples, FullError, Split, Stop, TestSchedule, TrainJob, TrainReport};
use std::sync::atomic::Ordering;

/// Trains the model of a checked job; `on_epoch` sees the record of each new epoch.
pub(crate) fn fit<D: Device>(
    machine: &Machine<'_, D>,
    model: &mut Model,
    job: &TrainJob<'_>,
    engine: &str,
    on_epoch: &mut dyn FnMut(&Epoch),
) -> Result<TrainReport, FullError> {
    let probe = &job.config.probe;
    let store = job
        .checkpoints
        .map(|checkpoints| Store::new(checkpoints, engine, job.plan, (job.init, job.weight_seed), job.config));
    let mut epochs = match &store {
        Some(store) => store.resume(model)?,
        None => Vec::new(),
    };
    loop {
        if probe.stops_early(&epochs) {
            return Ok(TrainReport::of(epochs, Stop::EarlyStopped { epoch: probe.early_stopping_epoch }));
        }
        let index = epochs.len() as u32 + 1;
        if index > probe.epochs {
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

fn run_epoch<D: Device>(
    machine: &Machine<'_, D>,
    model: &mut Model,
    job: &TrainJob<'_>,
    index: u32,
) -> Result<Epoch, FullError> {
    let (config, probe) = (job.config, &job.config.probe);
    let check_stop = || if job.stop.load(Ordering::Relaxed) { Err(FullError::Interrupted) } else { Ok(()) };
    let diverged = |split| FullError::NotFinite { split, epoch: index };
    let order = probe.epoch_order(job.train.len(), index - 1);
    let rate_factor = config.schedule.factor(index - 1, probe.epochs);
    let (mut loss, mut correct) = (0.0, 0);
    for rows in order.chunks(probe.batch_size) {
        check_stop()?;
        let drop_out = (probe.drop_out > 0.0).then(|| (probe.seed.stream("drop-out", model.steps), probe.drop_out));
        let batch = Batch { examples: job.train, rows, drop_out };
        let result = machine.gradient(model, &batch)?.filter(|result| result.gradient.is_finite());
        let result = result.ok_or_else(|| diverged(Split::Train))?;
        let step = AdamStep::new(probe, model.steps + 1, rate_factor);
        model.descend(&result.gradient, &step);
        model.norms.iter_mut().zip(&result.moments).for_each(|(norm, moments)| norm.update(moments));
        loss += result.loss;
        correct += result.correct;
    }
    check_stop()?;
    let accuracy = |split, examples: Examples<'_>| -> Result<f64, FullError> {
        let correct = machine.classify(model, examples)?.ok_or_else(|| diverged(split))?;
        Ok(correct as f64 / examples.len() as f64)
    };
    let images = job.train.len() as f64;
    let due = probe.test == TestSchedule::EveryEpoch || index == probe.epochs;
    Ok(Epoch {
        index,
        train_accuracy: correct as f64 / images,
        train_loss: loss / images,
        valid_accuracy: accuracy(Split::Valid, job.valid)?,
        test_accuracy: job.test.filter(|_| due).map(|test| accuracy(Split::Test, test)).transpose()?,
    })
}
