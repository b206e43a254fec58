//! The contract of an engine that computes embeddings.

use crate::{Calibration, EngineError, EngineMemory, Images, Moments, Precision, Prior};
use dpnas_grammar::Plan;
use std::any::Any;
use std::fmt;
use std::num::NonZeroUsize;

/// Makes frozen encoders on one device.
///
/// Every engine computes the same function of the same [`Prior`]. One conformance suite tests all engines.
pub trait Engine: Send + Sync {
    /// Device, precision and version, for example `flex f32 v2`.
    ///
    /// The name is part of a run's record and of the key of a stored embedding, so it must change whenever the engine's
    /// numbers change.
    fn name(&self) -> &str;

    /// Copies the weights to the device. The encoder does not normalise until it is calibrated or frozen.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`], or [`EngineError::Device`] if the device fails.
    fn load(&self, prior: &Prior) -> Result<Box<dyn Encode>, EngineError>;

    /// Narrowest type that stores rows losslessly: with [`Precision::Bf16`], each number of a row is a widened bf16.
    fn row_precision(&self) -> Precision {
        Precision::F32
    }

    /// Copies images to the device, where [`Encode::encode_resident`] embeds them as often as needed. `None` if the
    /// engine keeps nothing on its device.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`], or [`EngineError::Device`] if the device fails.
    fn upload(&self, _: Images<'_>) -> Result<Option<Resident>, EngineError> {
        Ok(None)
    }

    /// Images that the device computes at once, if it always computes as many. Chunks of another size waste time.
    fn chunk(&self, _: &Plan) -> Option<NonZeroUsize> {
        None
    }

    /// Upper bound of the memory of a plan's encoder.
    ///
    /// It decides how many images are computed at once, and which plans are out of memory, so it must depend only on
    /// the plan, not on threads or free memory.
    fn memory(&self, plan: &Plan) -> EngineMemory {
        EngineMemory::unfused(plan)
    }
}

/// Images or rows that an engine keeps on its device, for this engine and its classifier alone.
pub struct Resident(Box<dyn Any + Send + Sync>);

impl Resident {
    /// What the engine keeps.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Box::new(value))
    }

    /// The value given to [`new`](Self::new).
    pub fn value(&self) -> &(dyn Any + Send + Sync) {
        &*self.0
    }
}

impl fmt::Debug for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resident").finish_non_exhaustive()
    }
}

/// A frozen random encoder on a device. [`EncodeExt`](crate::EncodeExt) has more methods, for every encoder.
pub trait Encode: Send {
    /// The plan of the encoder.
    fn plan(&self) -> &Plan;

    /// Normalises with these statistics and ε from now on; `None` switches normalisation off.
    ///
    /// # Errors
    /// [`EngineError::WrongCalibration`] if the statistics belong to another plan.
    fn freeze(&mut self, statistics: Option<(&Calibration, f64)>) -> Result<(), EngineError>;

    /// Embeds images at once with the frozen normalisation. The memory of `rows` is reused; its old values are lost.
    ///
    /// # Shapes
    /// `[n, channels, height, width]` → row-major `[n, features]`.
    ///
    /// # Errors
    /// [`EngineError::WrongShape`], [`EngineError::OutOfMemory`], or [`EngineError::Device`] if the device fails. The
    /// content of `rows` is then unspecified.
    fn encode(&self, images: Images<'_>, rows: &mut Vec<f32>) -> Result<(), EngineError>;

    /// Embeds images of [`Engine::upload`] into rows that stay on the device. `None` if a value is not finite.
    ///
    /// # Errors
    /// As [`encode`](Self::encode); [`EngineError::Device`] if the engine keeps nothing on its device.
    fn encode_resident(&self, _: &Resident) -> Result<Option<Resident>, EngineError> {
        let message = "it keeps no rows on its device".to_owned();
        Err(EngineError::Device { engine: "this engine".to_owned(), message })
    }

    /// Measures the input of every norm over a set of images, layer by layer with the earlier norms in effect. The result
    /// is that of one training-mode pass with the whole set as a single batch, stage by stage as in [`Calibration`].
    ///
    /// Does not change the frozen normalisation.
    ///
    /// # Errors
    /// [`EngineError::EmptyCalibrationSet`], and as [`encode`](Self::encode).
    fn measure(&self, request: Measure<'_>) -> Result<Vec<Vec<Moments>>, EngineError>;
}

/// Request to [`Encode::measure`]. Results depend only on `images` and `epsilon`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Measure<'a> {
    /// The calibration set.
    pub images: Images<'a>,
    /// Added to each variance.
    pub epsilon: f64,
    /// Images computed at once.
    pub chunk: NonZeroUsize,
    /// Bytes of activations that may be kept between two norms, so that they need not be computed again.
    pub held_bytes: u64,
    /// Receives the embedding of the images, with the same bits as [`Encode::encode`] with these statistics. An engine
    /// for which it takes as long as a later encoding leaves it out.
    pub rows: Option<&'a mut Vec<f32>>,
}

impl<'a> Measure<'a> {
    /// Bytes kept between norms by default: 1 GiB.
    pub const HELD_BYTES: u64 = 1 << 30;

    /// A request without rows.
    pub fn new(images: Images<'a>, epsilon: f64, chunk: NonZeroUsize) -> Self {
        Self { images, epsilon, chunk, held_bytes: Self::HELD_BYTES, rows: None }
    }

    /// Checks that there are images, of the shape of a plan's input.
    ///
    /// # Errors
    /// [`EngineError::EmptyCalibrationSet`] or [`EngineError::WrongShape`].
    pub fn check(&self, plan: &Plan) -> Result<(), EngineError> {
        if self.images.is_empty() {
            return Err(EngineError::EmptyCalibrationSet);
        }
        self.images.check(plan)
    }
}
