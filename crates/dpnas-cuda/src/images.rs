//! Images that stay on the device.

use crate::CudaError;
use crate::engine::Shared;
use cudarc::driver::CudaSlice;
use dpnas_grammar::{ImageShape, Plan};
use dpnas_prior::{EngineError, Images};
use std::sync::Arc;

/// Images on a GPU, f32 `[n, channels, height, width]`.
#[derive(Debug)]
pub struct CudaImages {
    shared: Arc<Shared>,
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

    pub(crate) fn new(shared: &Arc<Shared>, images: Images<'_>) -> Result<Self, CudaError> {
        let values = shared.gpu.upload(images.pixels(), "images")?;
        Ok(Self { shared: shared.clone(), values, shape: images.shape(), len: images.len() })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Checks that the images are of an engine, and of the shape of a plan's input.
    pub(crate) fn check(&self, shared: &Arc<Shared>, plan: &Plan) -> Result<(), EngineError> {
        if !Arc::ptr_eq(&self.shared, shared) {
            let (call, reason) = ("encode".to_owned(), "the images are of another engine".to_owned());
            return Err(shared.error(CudaError::Call { call, reason }));
        }
        let (expected, found) = (plan.input(), self.shape);
        if expected == found { Ok(()) } else { Err(EngineError::WrongShape { expected, found }) }
    }
}
