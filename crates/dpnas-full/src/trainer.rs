//! `TrainEngine` on one device of a burn backend.

use crate::fit::fit;
use crate::machine::Machine;
use crate::memory::{BlockSize, Need, lanes};
use crate::program::build;
use burn::tensor::backend::Backend;
use dpnas_grammar::Plan;
use dpnas_prior::{EngineError, can_have};
use dpnas_train::{Epoch, FullConfig, FullError, TrainEngine, TrainJob, TrainReport};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Changes whenever the results of a training change.
const VERSION: u32 = 1;

/// Blocks for a backend with its own threads: the whole mini-batch, unless its largest layer takes more than 64 MiB.
const WHOLE: BlockSize = BlockSize { bytes: 64 << 20, images: [4, 4096] };

/// Blocks that stay in a thread's cache: 1 MiB in the largest layer.
const CACHED: BlockSize = BlockSize { bytes: 1 << 20, images: [4, 32] };

/// A `TrainEngine` on one device of a burn backend. It computes gradients itself and needs no autodiff backend.
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
    /// An engine whose name gives device and precision, for example `flex f32`.
    pub fn new(name: impl Into<String>, device: B::Device) -> Self {
        Self { name: name.into(), device, lanes: Lanes::One }
    }

    /// Computes small blocks of images on rayon's threads. Use it for backends on a CPU: they run many operations on one
    /// thread, and large chunks do not fit the cache. No result depends on the number of threads.
    #[must_use]
    pub fn split_over_threads(mut self) -> Self {
        self.lanes = Lanes::Threads;
        self
    }

    /// The size of a block, and the threads that compute blocks.
    fn blocks(&self) -> (BlockSize, usize) {
        match self.lanes {
            Lanes::One => (WHOLE, 1),
            Lanes::Threads => (CACHED, rayon::current_num_threads()),
        }
    }

    fn train_on(&self, job: &TrainJob<'_>, on_epoch: &mut dyn FnMut(&Epoch)) -> Result<TrainReport, FullError> {
        job.check()?;
        let (size, threads) = self.blocks();
        let program = build(job.plan, job.config);
        let need = Need::new(job.plan, &program, job.config.probe.batch_size.min(job.train.len()), size);
        let mut cut = need.cut(threads, job.memory_budget)?;
        let lanes = lanes(threads, cut.block, job.largest_chunk);
        if !can_have(need.bytes(&cut)) {
            cut = need.cut(1, need.least())?;
        }
        if !can_have(need.least()) {
            // Fewer images at once would not need less.
            return Err(need.over(job.memory_budget));
        }
        cut.lanes = cut.lanes.min(lanes);
        tracing::debug!("{} on {}: {cut:?}", job.plan.net(), self.name);
        let mut model = program.draw(job.plan, job.init, job.weight_seed, job.config.probe.seed)?;
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

    fn version(&self) -> u32 {
        VERSION
    }

    fn memory(&self, plan: &Plan, config: &FullConfig, images: usize) -> u64 {
        let batch_size = config.probe.batch_size.min(images);
        Need::new(plan, &build(plan, config), batch_size, self.blocks().0).least()
    }

    /// Backends panic when their device fails; the panic becomes an error. The model is dropped with it.
    fn train(&self, job: &TrainJob<'_>, on_epoch: &mut dyn FnMut(&Epoch)) -> Result<TrainReport, FullError> {
        let trained = catch_unwind(AssertUnwindSafe(|| self.train_on(job, on_epoch)));
        trained.unwrap_or_else(|panic| Err(failure(&self.name, message(&*panic))))
    }
}

fn failure(engine: &str, message: &str) -> FullError {
    match EngineError::from_report(engine, message) {
        EngineError::OutOfMemory { engine, message } => FullError::OutOfMemory { engine, message },
        _ => FullError::Device { engine: engine.to_owned(), message: message.to_owned() },
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    #[test]
    fn a_trainer_moves_to_another_thread() {
        fn moves<T: Send + Sync + 'static>() {}
        moves::<BurnTrainer<Flex>>();
        moves::<Box<dyn TrainEngine>>();
    }

    #[test]
    fn the_message_of_a_device_that_is_out_of_memory_is_recognised() {
        let failure = |message: &str| failure("gpu", message);
        assert!(matches!(failure("CUDA_ERROR_OUT_OF_MEMORY"), FullError::OutOfMemory { .. }));
        assert_eq!(failure("a kernel failed").to_string(), "gpu failed: a kernel failed");
    }
}
