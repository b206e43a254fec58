//! Engines that train: on a device of a burn backend, and on the project's own kernels.

use crate::burn_device::BurnDevice;
use crate::cpu::Cpu;
use crate::device::Device;
use crate::fit::fit;
use crate::machine::Machine;
use crate::memory::{BlockSize, Need, Overhead, lanes, unrolled};
use crate::program::{Program, build};
use burn::tensor::backend::Backend;
use dpnas_grammar::Plan;
use dpnas_kernels::{Level, LevelError, Precision};
use dpnas_prior::{EngineError, can_have};
use dpnas_train::{Epoch, FullConfig, FullError, TrainEngine, TrainJob, TrainReport};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// They change whenever the results of a training change.
const VERSION: u32 = 1;
const CPU_VERSION: u32 = 1;

/// Blocks for a backend with its own threads: the whole mini-batch, unless its largest layer takes more than 64 MiB.
const WHOLE: BlockSize = BlockSize { bytes: 64 << 20, images: [4, 4096] };

/// Blocks that stay in a thread's cache: 1 MiB in the largest layer.
const CACHED: BlockSize = BlockSize { bytes: 1 << 20, images: [4, 32] };

/// Blocks of nets with many weights in one layer, which a block reads from memory.
const HEAVY: BlockSize = BlockSize { bytes: 1 << 20, images: [32, 32] };
/// Least such weights.
const HEAVY_WEIGHTS: u64 = 1 << 19;

fn cached(program: &Program) -> BlockSize {
    if program.weights.iter().any(|weight| weight.values() >= HEAVY_WEIGHTS) { HEAVY } else { CACHED }
}

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
        Need::new(plan, &build(plan, config), batch_size, self.blocks().0, |_| unrolled(plan)).least()
    }

    /// Backends panic when their device fails; the panic becomes an error. The model is dropped with it.
    fn train(&self, job: &TrainJob<'_>, on_epoch: &mut dyn FnMut(&Epoch)) -> Result<TrainReport, FullError> {
        let program = build(job.plan, job.config);
        let device = |_| BurnDevice::<B> { program: &program, device: &self.device };
        let training = Training { job, program: &program, engine: &self.name, blocks: self.blocks() };
        let trained = catch_unwind(AssertUnwindSafe(|| training.run(|_| unrolled(job.plan), device, on_epoch)));
        trained.unwrap_or_else(|panic| Err(failure(&self.name, message(&*panic))))
    }
}

/// A `TrainEngine` on the project's own kernels, on rayon's threads. No result depends on their number.
#[derive(Clone, Debug)]
pub struct CpuTrainer {
    name: String,
    level: Level,
}

impl CpuTrainer {
    /// An engine at the fastest level, or at the one that `DPNAS_CPU_LEVEL` names.
    ///
    /// # Errors
    /// If the variable names no level, or one that this processor lacks.
    pub fn new() -> Result<Self, LevelError> {
        Level::from_environment(Precision::F32).map(Self::at)
    }

    /// An engine at a level, as tests compare them.
    pub fn at(level: Level) -> Self {
        Self { name: format!("cpu {level} f32"), level }
    }
}

impl TrainEngine for CpuTrainer {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> u32 {
        CPU_VERSION
    }

    fn memory(&self, plan: &Plan, config: &FullConfig, images: usize) -> u64 {
        let (batch_size, program) = (config.probe.batch_size.min(images), build(plan, config));
        Need::new(plan, &program, batch_size, cached(&program), |block| Cpu::overhead(&program, block)).least()
    }

    fn train(&self, job: &TrainJob<'_>, on_epoch: &mut dyn FnMut(&Epoch)) -> Result<TrainReport, FullError> {
        let program = build(job.plan, job.config);
        let blocks = (cached(&program), rayon::current_num_threads());
        let training = Training { job, program: &program, engine: &self.name, blocks };
        let batch = job.config.probe.batch_size.min(job.train.len());
        let device = |block| Cpu::new(self.level, &program, (block, batch));
        training.run(|block| Cpu::overhead(&program, block), device, on_epoch)
    }
}

/// A training on an engine.
struct Training<'a> {
    job: &'a TrainJob<'a>,
    program: &'a Program,
    engine: &'a str,
    /// The size of a block, and the threads that compute blocks.
    blocks: (BlockSize, usize),
}

impl Training<'_> {
    /// Fits the training into the budget and runs it. Overhead and device are those for blocks of some images.
    fn run<D: Device>(
        &self,
        overhead: impl FnOnce(usize) -> Overhead,
        device: impl FnOnce(usize) -> D,
        on_epoch: &mut dyn FnMut(&Epoch),
    ) -> Result<TrainReport, FullError> {
        let Self { job, program, engine, blocks: (size, threads) } = *self;
        job.check()?;
        let batch = job.config.probe.batch_size.min(job.train.len());
        let need = Need::new(job.plan, program, batch, size, overhead);
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
        tracing::debug!("{} on {engine}: {cut:?}", job.plan.net());
        let mut model = program.draw(job.plan, job.init, job.weight_seed, job.config.probe.seed)?;
        let machine = Machine {
            program,
            device: device(cut.block),
            norm_epsilon: job.config.norm_epsilon,
            block: cut.block,
            lanes: cut.lanes,
            held: cut.held,
        };
        fit(&machine, &mut model, job, engine, on_epoch)
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
