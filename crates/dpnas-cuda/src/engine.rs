//! The engine of a GPU.

use crate::CudaError;
use crate::convolution::{images_at_once, map_bytes};
use crate::dnn::{Plan as DnnPlan, Shape};
use crate::encoder::CudaEncoder;
use crate::gpu::Gpu;
use crate::images::CudaImages;
use dpnas_grammar::Plan;
use dpnas_prior::{Encode, Engine, EngineError, EngineMemory, Images, Precision, Prior, Resident};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Changes whenever the numbers of an encoder or a classifier change.
const VERSION: u32 = 1;

/// Whether what follows a convolution is fused: from kernels of 7×7 on, cuDNN has no fast engine that does it.
pub(crate) fn fuses(shape: Shape) -> bool {
    shape.kernel < 7
}

/// An engine on one NVIDIA GPU: convolutions by cuDNN in bf16 with f32 sums, the rest by own kernels.
#[derive(Clone, Debug)]
pub struct CudaEngine {
    pub(crate) shared: Arc<Shared>,
}

/// A GPU and the plans that cuDNN has made for it.
#[derive(Debug)]
pub(crate) struct Shared {
    name: String,
    // Dropped before cuDNN's handle.
    plans: Mutex<HashMap<Shape, Arc<DnnPlan>>>,
    pub(crate) gpu: Gpu,
}

impl CudaEngine {
    /// The GPU with this index.
    ///
    /// # Errors
    /// [`CudaError::Library`] if a library is missing, [`CudaError::Device`] if there is no such GPU or it is too old.
    pub fn new(index: usize) -> Result<Self, CudaError> {
        let gpu = Gpu::open(index)?;
        // Multiprocessors cut the classifier, and memory decides how many images are computed at once.
        let name = format!(
            "cudnn:{} bf16 {}, {} multiprocessors, maps of {} MiB, cuDNN {} v{VERSION}",
            gpu.index,
            gpu.name,
            gpu.multiprocessors,
            map_bytes(gpu.memory) >> 20,
            gpu.dnn.version
        );
        Ok(Self { shared: Arc::new(Shared { gpu, name, plans: Mutex::default() }) })
    }
}

impl CudaEngine {
    /// The encoder of a prior, as [`Engine::load`] makes it.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub fn encoder(&self, prior: &Prior) -> Result<CudaEncoder, EngineError> {
        CudaEncoder::load(&self.shared, prior).map_err(|error| self.shared.error(error))
    }
}

impl Shared {
    /// The plan of a shape: the first that cuDNN's heuristic proposes, so that every run takes the same. For large kernels
    /// the fused engines are the slow ones.
    pub(crate) fn plan(&self, shape: Shape) -> Result<Arc<DnnPlan>, CudaError> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&shape) {
            return Ok(plan.clone());
        }
        let plan = Arc::new(self.gpu.dnn.plan(shape, fuses(shape))?);
        tracing::debug!(engine = plan.engine, workspace = plan.workspace, fused = ?plan.fused, "{shape}");
        plans.insert(shape, plan.clone());
        Ok(plan)
    }

    pub(crate) fn error(&self, error: CudaError) -> EngineError {
        let (engine, message) = (self.name.clone(), error.to_string());
        match error {
            CudaError::OutOfMemory { .. } => EngineError::OutOfMemory { engine, message },
            _ => EngineError::Device { engine, message },
        }
    }
}

impl Engine for CudaEngine {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn load(&self, prior: &Prior) -> Result<Box<dyn Encode>, EngineError> {
        Ok(Box::new(self.encoder(prior)?))
    }

    fn row_precision(&self) -> Precision {
        Precision::Bf16
    }

    fn upload(&self, images: Images<'_>) -> Result<Option<Resident>, EngineError> {
        Ok(Some(Resident::new(CudaImages::upload(self, images)?)))
    }

    fn chunk(&self, plan: &Plan) -> Option<NonZeroUsize> {
        NonZeroUsize::new(images_at_once(plan, map_bytes(self.shared.gpu.memory)) as usize)
    }

    /// What the host holds: an image and its row. The device has its own memory.
    fn memory(&self, plan: &Plan) -> EngineMemory {
        let image = plan.input().elements().unwrap_or(u64::MAX).saturating_add(plan.features()).saturating_mul(8);
        EngineMemory { weights: plan.parameters().saturating_mul(4), image }
    }
}
