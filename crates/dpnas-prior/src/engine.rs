//! What an engine that computes embeddings must do.

use crate::halving::halving;
use crate::{Calibration, EngineMemory, Moments, Precision, Prior};
use dpnas_grammar::{ImageShape, Plan};
use std::num::NonZeroUsize;

/// A borrowed block of images, `[n, channels, height, width]`, values in `[0, 1]`.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    shape: ImageShape,
    pixels: &'a [f32],
}

/// Pixels whose number is not a whole number of images.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pixels} values are not a whole number of images of {shape}")]
pub struct ImagesError {
    /// Number of values.
    pub pixels: usize,
    /// The shape of one image.
    pub shape: ImageShape,
}

impl<'a> Images<'a> {
    /// Images of one shape, one after the other.
    ///
    /// # Errors
    /// If the number of values is not a multiple of the shape's.
    pub fn new(shape: ImageShape, pixels: &'a [f32]) -> Result<Self, ImagesError> {
        let whole = shape.elements().and_then(|elements| usize::try_from(elements).ok());
        match whole {
            Some(elements) if elements > 0 && pixels.len().is_multiple_of(elements) => Ok(Self { shape, pixels }),
            _ => Err(ImagesError { pixels: pixels.len(), shape }),
        }
    }

    /// The shape of each image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// The values, `[n, channels, height, width]`.
    pub fn pixels(&self) -> &'a [f32] {
        self.pixels
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.values_per_image()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The images in blocks of at most `chunk`, in order.
    pub fn chunks(&self, chunk: NonZeroUsize) -> impl Iterator<Item = Images<'a>> + use<'a> {
        let shape = self.shape;
        self.pixels
            .chunks(chunk.get().saturating_mul(self.values_per_image()))
            .map(move |pixels| Images { shape, pixels })
    }

    /// The first `n` images, or all if there are fewer.
    fn first(&self, n: usize) -> Self {
        let values = n.saturating_mul(self.values_per_image()).min(self.pixels.len());
        Self { pixels: &self.pixels[..values], ..*self }
    }

    /// The images after the first `n`.
    fn skip(&self, n: usize) -> Self {
        let values = n.saturating_mul(self.values_per_image()).min(self.pixels.len());
        Self { pixels: &self.pixels[values..], ..*self }
    }

    /// The values of one image.
    ///
    /// # Panics
    /// If there is no such image.
    pub(crate) fn image(&self, index: usize) -> &'a [f32] {
        &self.pixels[index * self.values_per_image()..][..self.values_per_image()]
    }

    /// Other images, a whole number of them.
    pub(crate) fn of_same_shape<'b>(&self, pixels: &'b [f32]) -> Images<'b> {
        Images { shape: self.shape, pixels }
    }

    pub(crate) fn values_per_image(&self) -> usize {
        self.shape.channels as usize * self.shape.height as usize * self.shape.width as usize
    }
}

/// Why an engine could not compute.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Images of another shape than the plan was made for.
    #[error("the encoder was planned for images of {expected}, these are {found}")]
    WrongShape {
        /// The plan's input.
        expected: ImageShape,
        /// The images' shape.
        found: ImageShape,
    },
    /// Statistics that belong to another plan.
    #[error("the calibration does not belong to this plan: stage {stage} differs in its norms or channels")]
    WrongCalibration {
        /// The first stage that differs.
        stage: usize,
    },
    /// A calibration was asked for on no images.
    #[error("normalisation cannot be calibrated on an empty set of images")]
    EmptyCalibrationSet,
    /// The device failed.
    #[error("{engine} failed: {message}")]
    Device {
        /// The engine's name.
        engine: String,
        /// What it said.
        message: String,
    },
}

impl EngineError {
    /// Whether the device failed because it could not give memory, as far as its message tells: fewer images at once may
    /// fit.
    pub fn is_out_of_memory(&self) -> bool {
        let Self::Device { message, .. } = self else { return false };
        let letters: String = message.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        ["outofmemory", "notenoughmemory", "cantallocate", "cannotallocate", "failedtoallocate", "memoryallocation"]
            .iter()
            .any(|words| letters.contains(words))
    }
}

/// Makes frozen encoders on one device.
///
/// Every engine computes the same function of the same [`Prior`]: one conformance suite runs over all of them.
pub trait Engine: Send + Sync {
    /// Device and precision, for example `flex f32`: part of a run's record and of the key of a stored embedding.
    fn name(&self) -> &str;

    /// Brings the weights to the device. The encoder does not normalise until it is calibrated or frozen.
    ///
    /// # Errors
    /// [`EngineError::Device`] if the device fails.
    fn load(&self, prior: &Prior) -> Result<Box<dyn Encode>, EngineError>;

    /// What holds every number of a row without a change: with [`Precision::Bf16`] each is a bf16 that was widened, so rows
    /// may be stored in half of the room.
    fn row_precision(&self) -> Precision {
        Precision::F32
    }

    /// What the encoder of a plan takes, estimated from above: it decides how many images are computed at once, and which
    /// plan is out of memory. It depends on the plan alone, not on threads or on what is free.
    fn memory(&self, plan: &Plan) -> EngineMemory {
        EngineMemory::of_a_framework(plan)
    }
}

/// A frozen random encoder on some device.
pub trait Encode: Send {
    /// The plan that the encoder computes.
    fn plan(&self) -> &Plan;

    /// Normalises with these statistics from now on, or not at all.
    ///
    /// # Errors
    /// [`EngineError::WrongCalibration`] if the statistics belong to another plan.
    fn freeze(&mut self, statistics: Option<(&Calibration, f64)>) -> Result<(), EngineError>;

    /// Embeds images at once with the frozen normalisation.
    ///
    /// # Shapes
    /// `[n, channels, height, width]` → row-major `[n, features]`.
    ///
    /// # Errors
    /// [`EngineError::WrongShape`], or [`EngineError::Device`] if the device fails.
    fn encode(&self, images: Images<'_>) -> Result<Vec<f32>, EngineError> {
        let mut rows = Vec::new();
        self.encode_into(images, &mut rows)?;
        Ok(rows)
    }

    /// Embeds images as [`encode`](Self::encode) does, into `rows`, whose memory is reused; its old values are lost.
    ///
    /// # Errors
    /// As [`encode`](Self::encode); then `rows` holds nothing of use.
    fn encode_into(&self, images: Images<'_>, rows: &mut Vec<f32>) -> Result<(), EngineError>;

    /// Measures every norm's input over a set of images, layer by layer with the earlier norms in effect, `chunk`
    /// images at once: what one training-mode pass with the whole set as a single batch computes.
    ///
    /// Does not change the frozen normalisation. Statistics come as [`Moments`], stage by stage as in [`Calibration`].
    ///
    /// # Errors
    /// [`EngineError::WrongShape`], [`EngineError::EmptyCalibrationSet`], or [`EngineError::Device`].
    fn measure(&self, images: Images<'_>, epsilon: f64, chunk: NonZeroUsize) -> Result<Vec<Vec<Moments>>, EngineError>;

    /// Measures as [`measure`](Self::measure) and, where that takes less than encoding the same images afterwards, leaves
    /// in `rows` what [`encode`](Self::encode) would give for them with these statistics, to the bit. Otherwise `rows` is
    /// empty.
    ///
    /// # Errors
    /// As [`measure`](Self::measure); then what is in `rows` means nothing.
    fn measure_and_encode(
        &self,
        images: Images<'_>,
        epsilon: f64,
        chunk: NonZeroUsize,
        rows: &mut Vec<f32>,
    ) -> Result<Vec<Vec<Moments>>, EngineError> {
        rows.clear();
        self.measure(images, epsilon, chunk)
    }

    /// Lets measuring keep at most so many bytes of activations of the whole set between two norms, so that it need not
    /// compute them again. Changes time and memory, no number. An engine that keeps nothing has nothing to limit.
    fn hold_at_most(&mut self, bytes: u64) {
        let _ = bytes;
    }
}

impl dyn Encode + '_ {
    /// Measures a calibration set and freezes the encoder with its biased variances. Where the engine is out of memory,
    /// it goes on with half the chunk, down to one image.
    ///
    /// # Errors
    /// As [`Encode::measure`].
    ///
    /// # Source
    /// SPEC §6, `calibrated`.
    pub fn calibrate(
        &mut self,
        images: Images<'_>,
        epsilon: f64,
        mut chunk: NonZeroUsize,
    ) -> Result<Calibration, EngineError> {
        let moments = halving(&mut chunk, |chunk| self.measure(images, epsilon, chunk))?;
        self.freeze_measured(&moments, epsilon)
    }

    /// Calibrates as `calibrate` does, and leaves in `rows` the embedding of the calibration set, or
    /// nothing where it would take as long as to encode it afterwards.
    ///
    /// # Errors
    /// As [`Encode::measure`]; then what is in `rows` means nothing.
    pub fn calibrate_and_encode(
        &mut self,
        images: Images<'_>,
        epsilon: f64,
        mut chunk: NonZeroUsize,
        rows: &mut Vec<f32>,
    ) -> Result<Calibration, EngineError> {
        let moments = halving(&mut chunk, |chunk| self.measure_and_encode(images, epsilon, chunk, rows))?;
        self.freeze_measured(&moments, epsilon)
    }

    fn freeze_measured(&mut self, moments: &[Vec<Moments>], epsilon: f64) -> Result<Calibration, EngineError> {
        let calibration = Calibration::from_moments(moments);
        self.freeze(Some((&calibration, epsilon)))?;
        Ok(calibration)
    }

    /// Embeds a set of images, `chunk` at once, and hands the rows of each chunk to `sink` in order. Where the engine is
    /// out of memory, it goes on with half the chunk, down to one image.
    ///
    /// # Errors
    /// As [`Encode::encode`], or the first error of `sink`.
    pub fn encode_in_chunks<E: From<EngineError>>(
        &self,
        images: Images<'_>,
        mut chunk: NonZeroUsize,
        mut sink: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut start, mut rows) = (0, Vec::new());
        while start < images.len() {
            start = halving(&mut chunk, |chunk| {
                let block = images.skip(start).first(chunk.get());
                self.encode_into(block, &mut rows)?;
                Ok(start + block.len())
            })?;
            sink(&rows)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_whole_and_come_in_chunks() {
        let shape = ImageShape::square(1, 2);
        let pixels: Vec<f32> = (0..20u8).map(f32::from).collect();
        let images = Images::new(shape, &pixels).unwrap();
        assert_eq!(images.len(), 5);
        let sizes: Vec<usize> = images.chunks(NonZeroUsize::new(2).unwrap()).map(|block| block.len()).collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert_eq!((images.first(2).pixels(), images.skip(4).pixels()), (&pixels[..8], &pixels[16..]));
        assert_eq!((images.first(9).len(), images.skip(9).len()), (5, 0));
        let error = Images::new(shape, &pixels[..19]).unwrap_err();
        assert_eq!(error.to_string(), "19 values are not a whole number of images of 1x2x2");
    }
    #[test]
    fn out_of_memory_is_told_from_other_failures() {
        let is = |message: &str| {
            EngineError::Device { engine: "gpu".to_owned(), message: message.to_owned() }.is_out_of_memory()
        };
        for message in [
            "can't allocate buffer of size: 123\n<backtrace>",
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY)",
            "An out-of-memory error happened during launch",
            "OutOfMemory",
            "memory allocation of 8 bytes failed",
        ] {
            assert!(is(message), "{message}");
        }
        assert!(!is("no reason given") && !is("CUDA_ERROR_NO_DEVICE"));
        assert!(!EngineError::EmptyCalibrationSet.is_out_of_memory());
    }
}
