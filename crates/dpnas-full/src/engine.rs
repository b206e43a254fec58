//! Training on one device of a burn backend, behind a trait that names no tensor.

use crate::error::FullError;
use crate::fit::{TrainJob, fit};
use crate::machine::Machine;
use crate::memory::{BlockSize, Cut, lanes};
use crate::program::build;
use crate::{Epoch, TrainReport};
use burn::tensor::backend::Backend;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Trains networks on one device.
///
/// Every engine minimises the same loss from the same host-drawn weights, in the same order of images.
pub trait TrainEngine {
    /// Device and precision, for example `flex f32`: part of a run's record.
    fn name(&self) -> &str;

    /// Trains a network; `on_epoch` sees each epoch's record.
    ///
    /// With checkpoints, training goes on from the last one, and the report has the epochs before it, too.
    ///
    /// # Errors
    /// A wrong setting or set of images, [`FullError::NotFinite`] if training diverges, [`FullError::OutOfMemory`],
    /// [`FullError::Interrupted`], a checkpoint that cannot be used, or [`FullError::Device`].
    fn train(&self, job: &TrainJob<'_>, on_epoch: &mut dyn FnMut(&Epoch)) -> Result<TrainReport, FullError>;
}

/// A mini-batch in one piece, as long as its largest layer does not take more than 64 MiB.
const WHOLE: BlockSize = BlockSize { bytes: 64 << 20, images: [4, 4096] };

/// Blocks that stay in a thread's cache: 1 MiB in the largest layer.
const CACHED: BlockSize = BlockSize { bytes: 1 << 20, images: [4, 32] };

/// An engine on one device of a burn backend. It needs no autodiff backend: gradients are computed directly.
#[derive(Clone, Debug)]
pub struct BurnTrainer<B: Backend> {
    name: String,
    device: B::Device,
    lanes: Lanes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lanes {
    One,
    Threads,
}

impl<B: Backend> BurnTrainer<B> {
    /// An engine under a name that says device and precision, for example `flex f32`.
    pub fn new(name: impl Into<String>, device: B::Device) -> Self {
        Self { name: name.into(), device, lanes: Lanes::One }
    }

    /// Computes small blocks of images on rayon's threads: for backends on a CPU, which leave many operations to one
    /// thread and stream large chunks through memory. The number of threads changes no number.
    #[must_use]
    pub fn split_over_threads(mut self) -> Self {
        self.lanes = Lanes::Threads;
        self
    }

    fn train_on(&self, job: &TrainJob<'_>, on_epoch: &mut dyn FnMut(&Epoch)) -> Result<TrainReport, FullError> {
        job.check()?;
        let (size, threads) = match self.lanes {
            Lanes::One => (WHOLE, 1),
            Lanes::Threads => (CACHED, rayon::current_num_threads()),
        };
        let (program, mut model) = build(job.prior, job.config);
        let plan = job.prior.plan();
        let batch_size = job.config.batch_size.min(job.train.len());
        let mut cut = Cut::new(plan, &program, batch_size, size, threads, job.memory_budget)?;
        cut.lanes = cut.lanes.min(lanes(threads, cut.block, job.largest_chunk));
        tracing::debug!("{} on {}: {cut:?}", plan.net(), self.name);
        let machine: Machine<'_, B> = Machine {
            program: &program,
            device: &self.device,
            norm_epsilon: job.config.norm_epsilon,
            block: cut.block,
            lanes: cut.lanes,
            held: cut.held,
        };
        fit(&machine, &mut model, job, &self.name, on_epoch)
    }
}

impl<B: Backend> TrainEngine for BurnTrainer<B> {
    fn name(&self) -> &str {
        &self.name
    }

    /// Backends report a failing device by a panic: it becomes an error here. The model is lost then, so nothing
    /// half-changed is left.
    fn train(&self, job: &TrainJob<'_>, on_epoch: &mut dyn FnMut(&Epoch)) -> Result<TrainReport, FullError> {
        let trained = catch_unwind(AssertUnwindSafe(|| self.train_on(job, on_epoch)));
        trained.unwrap_or_else(|panic| Err(FullError::Device { engine: self.name.clone(), message: message(&*panic) }))
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no reason given").to_owned()
}
