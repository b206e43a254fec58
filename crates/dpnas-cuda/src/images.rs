//! Images that stay on the device.

use crate::CudaError;
use crate::engine::Shared;
use cudarc::driver::CudaSlice;
use dpnas_grammar::{ImageShape, Plan};
use dpnas_prior::{EngineError, Images};

/// Images on a GPU, f32 `[n, channels, height, width]`.
#[derive(Debug)]
pub struct CudaImages {
    pub(crate) values: CudaSlice<f32>,
    pub(crate) shape: ImageShape,
    pub(crate) len: usize,
}

impl CudaImages {
    /// Copies images to the device.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`], or [`EngineError::Device`] if the device fails.
    pub fn upload(engine: &crate::CudaEngine, images: Images<'_>) -> Result<Self, EngineError> {
        Self::new(&engine.shared, images).map_err(|error| engine.shared.error(error))
    }

    pub(crate) fn new(shared: &Shared, images: Images<'_>) -> Result<Self, CudaError> {
        let values = shared.gpu.upload(images.pixels(), "images")?;
        Ok(Self { values, shape: images.shape(), len: images.len() })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn check(&self, plan: &Plan) -> Result<(), EngineError> {
        let (expected, found) = (plan.input(), self.shape);
        if expected == found { Ok(()) } else { Err(EngineError::WrongShape { expected, found }) }
    }
}
