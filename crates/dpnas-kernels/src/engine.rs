//! The engine: weights packed once, images in groups over rayon's threads.

use crate::kernel::Compute;
use crate::level::{Level, LevelError};
use crate::measure::Holding;
use crate::memory::memory;
use crate::norms::Norms;
use crate::pack::Pixels;
use crate::program::{Fusion, Program};
use crate::run::Workspaces;
use crate::weights::{StageWeights, input_pixels, pack};
use crate::{KERNELS_VERSION, group};
use dpnas_grammar::Plan;
use dpnas_prior::{Calibration, Encode, Engine, EngineError, EngineMemory, Images, Moments, Precision, Prior};
use half::bf16;
use rayon::prelude::*;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

/// The engine on the kernels of this crate.
///
/// Every number depends on the level, the precision and [`KERNELS_VERSION`], which are its name, and on nothing else of
/// the machine.
#[derive(Clone, Debug)]
pub struct CpuEngine {
    name: String,
    level: Level,
    precision: Precision,
}

impl CpuEngine {
    /// An engine at the fastest level, or at the one that `DPNAS_CPU_LEVEL` names.
    ///
    /// # Errors
    /// If the variable names no level, or one that this processor lacks.
    pub fn new(precision: Precision) -> Result<Self, LevelError> {
        Ok(Self::at(Level::from_environment(precision)?, precision))
    }

    /// An engine at a level.
    pub fn at(level: Level, precision: Precision) -> Self {
        Self { name: format!("cpu {level} {precision} v{KERNELS_VERSION}"), level, precision }
    }

    /// The instructions that the engine uses.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What maps and weights are stored in.
    pub fn precision(&self) -> Precision {
        self.precision
    }
}

impl Engine for CpuEngine {
    fn name(&self) -> &str {
        &self.name
    }

    fn load(&self, prior: &Prior) -> Result<Box<dyn Encode>, EngineError> {
        Ok(match self.precision {
            Precision::F32 => Box::new(Loaded::<f32>::new(self.level, prior)),
            Precision::Bf16 => Box::new(Loaded::<bf16>::new(self.level, prior)),
        })
    }

    fn row_precision(&self) -> Precision {
        self.precision
    }

    fn memory(&self, plan: &Plan) -> EngineMemory {
        match self.precision {
            Precision::F32 => memory::<f32>(plan),
            Precision::Bf16 => memory::<bf16>(plan),
        }
    }
}

/// A prior on this engine.
pub(crate) struct Loaded<E> {
    pub(crate) level: Level,
    pub(crate) plan: Plan,
    weights: Vec<StageWeights<E>>,
    pixels: Pixels,
    norms: Norms,
    program: Program<E>,
    workspaces: Workspaces<E>,
    /// The program without fused pooling, for measuring.
    raw: OnceLock<Program<E>>,
    pub(crate) raw_workspaces: Workspaces<E>,
    /// What measuring may keep of the calibration set.
    holding: Holding,
}

impl<E: Compute> Loaded<E> {
    pub(crate) fn new(level: Level, prior: &Prior) -> Self {
        let plan = prior.plan().clone();
        let weights = pack(level, prior);
        let pixels = input_pixels(prior);
        let program = Program::new(level, &plan, (&weights, pixels), group::images::<E>(&plan), Fusion::Fused);
        Self {
            level,
            norms: Norms::none(&plan),
            plan,
            weights,
            pixels,
            program,
            workspaces: Workspaces::new(),
            raw: OnceLock::new(),
            raw_workspaces: Workspaces::new(),
            holding: Holding::default(),
        }
    }

    pub(crate) fn raw_program(&self) -> &Program<E> {
        self.raw.get_or_init(|| {
            let images = group::images::<E>(&self.plan);
            Program::new(self.level, &self.plan, (&self.weights, self.pixels), images, Fusion::Apart)
        })
    }

    /// Bytes of a thread's maps, with and without fused pooling, and the images that they hold.
    #[cfg(test)]
    pub(crate) fn map_bytes(&self) -> (usize, usize) {
        let slots = self.program.slots.iter().chain(&self.raw_program().slots);
        (slots.map(|numbers| numbers * size_of::<E>()).sum(), self.program.images)
    }

    pub(crate) fn check_shape(&self, images: Images<'_>) -> Result<(), EngineError> {
        if images.shape() != self.plan.input() {
            return Err(EngineError::WrongShape { expected: self.plan.input(), found: images.shape() });
        }
        Ok(())
    }
}

impl<E: Compute> Encode for Loaded<E> {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn freeze(&mut self, statistics: Option<(&Calibration, f64)>) -> Result<(), EngineError> {
        self.norms = match statistics {
            Some((calibration, epsilon)) => Norms::with(&self.plan, calibration, epsilon)?,
            None => Norms::none(&self.plan),
        };
        Ok(())
    }

    fn encode_into(&self, images: Images<'_>, rows: &mut Vec<f32>) -> Result<(), EngineError> {
        self.check_shape(images)?;
        let features = self.plan.features() as usize;
        rows.resize(images.len() * features, 0.0);
        // A chunk that is smaller than a group a thread is divided evenly.
        let share = images.len().div_ceil(rayon::current_num_threads().max(1));
        let group = NonZeroUsize::new(self.program.images.min(share)).unwrap_or(NonZeroUsize::MIN);
        let blocks: Vec<Images<'_>> = images.chunks(group).collect();
        rows.par_chunks_mut(group.get() * features).zip(blocks).for_each(|(rows, block)| {
            self.workspaces.with(&self.program, |workspace| {
                self.program.run(self.level, &self.norms, workspace, block.pixels(), rows);
            });
        });
        Ok(())
    }

    fn measure(&self, images: Images<'_>, epsilon: f64, chunk: NonZeroUsize) -> Result<Vec<Vec<Moments>>, EngineError> {
        self.measure_holding(images, epsilon, chunk, self.holding, None)
    }

    fn measure_and_encode(
        &self,
        images: Images<'_>,
        epsilon: f64,
        chunk: NonZeroUsize,
        rows: &mut Vec<f32>,
    ) -> Result<Vec<Vec<Moments>>, EngineError> {
        self.measure_holding(images, epsilon, chunk, self.holding, Some(rows))
    }

    fn hold_at_most(&mut self, bytes: u64) {
        self.holding.bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
}
