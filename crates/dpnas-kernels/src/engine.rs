//! The engine: weights packed once, images in groups over rayon's threads.

use crate::group;
use crate::kernel::Compute;
use crate::level::{Level, LevelError};
use crate::measure::LEAST_WORK;
use crate::memory::memory;
use crate::norms::Norms;
use crate::pack::Pixels;
use crate::program::{Fusion, Program};
use crate::run::Workspaces;
use crate::weights::{StageWeights, input_pixels, pack};
use dpnas_grammar::Plan;
use dpnas_prior::{Calibration, Encode, Engine, EngineError, EngineMemory, Images, Measure, Moments, Precision, Prior};
use half::bf16;
use rayon::prelude::*;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

/// Changes whenever an encoder's numbers change.
const VERSION: u32 = 3;

/// The engine on the kernels of this crate.
///
/// Its numbers depend only on the level, the precision and the version, which its name states.
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
        Self { name: format!("cpu {level} {precision} v{VERSION}"), level, precision }
    }

    /// The engine's instructions.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Number type of maps and weights.
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
            Precision::F32 => Box::new(Loaded::<f32>::new(self, prior)),
            Precision::Bf16 => Box::new(Loaded::<bf16>::new(self, prior)),
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

/// An encoder of this engine.
pub(crate) struct Loaded<E> {
    engine: String,
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
}

impl<E: Compute> Loaded<E> {
    /// Packs the weights. Maps and weights are of `E`, for any precision of the engine.
    pub(crate) fn new(engine: &CpuEngine, prior: &Prior) -> Self {
        let (level, plan) = (engine.level, prior.plan().clone());
        let weights = pack(level, prior);
        let pixels = input_pixels(prior);
        let program = Program::new(level, &plan, (&weights, pixels), group::images::<E>(&plan), Fusion::Fused);
        Self {
            engine: engine.name.clone(),
            level,
            norms: Norms::none(&plan),
            plan,
            weights,
            pixels,
            program,
            workspaces: Workspaces::new(),
            raw: OnceLock::new(),
            raw_workspaces: Workspaces::new(),
        }
    }

    pub(crate) fn raw_program(&self) -> &Program<E> {
        self.raw.get_or_init(|| {
            let images = group::images::<E>(&self.plan);
            Program::new(self.level, &self.plan, (&self.weights, self.pixels), images, Fusion::Apart)
        })
    }

    /// Bytes of a thread's maps, with and without fused pooling, and images of a group.
    #[cfg(test)]
    pub(crate) fn map_bytes(&self) -> (usize, usize) {
        let slots = self.program.slots.iter().chain(&self.raw_program().slots);
        (slots.map(|numbers| numbers * size_of::<E>()).sum(), self.program.images)
    }

    pub(crate) fn out_of_memory(&self, what: &str) -> EngineError {
        EngineError::OutOfMemory { engine: self.engine.clone(), message: format!("cannot allocate {what}") }
    }

    /// Resizes `rows` for some images.
    pub(crate) fn resize_rows(&self, rows: &mut Vec<f32>, images: usize) -> Result<(), EngineError> {
        let values = images.saturating_mul(self.plan.features() as usize);
        rows.try_reserve_exact(values.saturating_sub(rows.len())).map_err(|_| self.out_of_memory("the rows"))?;
        rows.resize(values, 0.0);
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

    fn encode(&self, images: Images<'_>, rows: &mut Vec<f32>) -> Result<(), EngineError> {
        images.check(&self.plan)?;
        self.resize_rows(rows, images.len())?;
        // A chunk that is smaller than one group for each thread is divided evenly.
        let share = images.len().div_ceil(rayon::current_num_threads().max(1));
        let group = NonZeroUsize::new(self.program.images.min(share)).unwrap_or(NonZeroUsize::MIN);
        let blocks: Vec<Images<'_>> = images.chunks(group).collect();
        let rows = rows.par_chunks_mut(group.get() * self.plan.features() as usize);
        let encoded = rows.zip(blocks).try_for_each(|(rows, block)| {
            self.workspaces.with(&self.program, |workspace| {
                self.program.run(self.level, &self.norms, workspace, block.pixels(), rows);
            })
        });
        encoded.ok_or_else(|| self.out_of_memory("maps"))
    }

    fn measure(&self, request: Measure<'_>) -> Result<Vec<Vec<Moments>>, EngineError> {
        self.measure_holding(request, LEAST_WORK)
    }
}
