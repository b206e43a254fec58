//! Measuring the input of every norm over a calibration set.

use crate::encoder::Encoder;
use crate::program::{Op, State};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use dpnas_prior::{Calibration, EngineError, Images, Moments};
use std::num::NonZeroUsize;

/// Activations of the calibration set that are kept between two norms, in bytes; beyond it they are computed again from
/// the last kept ones. Changes time and memory, no number.
const HELD_BYTES: usize = 1 << 30;

impl<B: Backend> Encoder<B> {
    /// Measures every norm's input over a set of images, layer by layer with the earlier norms in effect, `chunk`
    /// images at once: what one training-mode pass with the whole set as a single batch computes.
    ///
    /// # Errors
    /// [`EngineError::WrongShape`], [`EngineError::EmptyCalibrationSet`], or [`EngineError::Device`] if results cannot
    /// be read back.
    pub fn measure(
        &self,
        images: Images<'_>,
        epsilon: f64,
        chunk: NonZeroUsize,
    ) -> Result<Vec<Vec<Moments>>, EngineError> {
        self.measure_holding(images, epsilon, chunk, HELD_BYTES)
    }

    pub(crate) fn measure_holding(
        &self,
        images: Images<'_>,
        epsilon: f64,
        chunk: NonZeroUsize,
        held_bytes: usize,
    ) -> Result<Vec<Vec<Moments>>, EngineError> {
        if images.is_empty() {
            return Err(EngineError::EmptyCalibrationSet);
        }
        if images.shape() != self.plan.input() {
            return Err(EngineError::WrongShape { expected: self.plan.input(), found: images.shape() });
        }
        let mut measured: Vec<Vec<Moments>> = vec![Vec::new(); self.plan.stages().len()];
        // The operations so far, norms with their statistics; `held` is each chunk's state before operation `held_at`.
        let mut ops: Vec<Op<B>> = Vec::with_capacity(self.drawn.len());
        let (mut held, mut held_at) = (Vec::new(), 0);
        for op in &self.drawn {
            let Op::Norm { stage, .. } = op else {
                ops.push(op.clone());
                continue;
            };
            let (mut moments, mut states) = (None, Vec::new());
            for (index, block) in images.chunks(chunk).enumerate() {
                let start = held.get(index).cloned().unwrap_or_else(|| State::new(self.upload(block)));
                let state = ops[held_at..].iter().fold(start, |state, op| op.apply(state));
                let moments = moments.get_or_insert_with(|| Moments::new(state.value.dims()[1]));
                add_images(moments, &state.value)?;
                if state.elements_per_image() * images.len() * size_of::<f32>() <= held_bytes {
                    states.push(state);
                }
            }
            if !states.is_empty() {
                (held, held_at) = (states, ops.len());
            }
            let Some(moments) = moments else { continue };
            ops.push(Op::affine(*stage, &moments.stats().fold(epsilon), &self.device));
            measured[*stage].push(moments);
        }
        Ok(measured)
    }

    /// Measures a calibration set and freezes the encoder with its biased variances.
    ///
    /// # Errors
    /// As [`measure`](Self::measure).
    pub fn calibrate(
        &mut self,
        images: Images<'_>,
        epsilon: f64,
        chunk: NonZeroUsize,
    ) -> Result<Calibration, EngineError> {
        let calibration = Calibration::from_moments(&self.measure(images, epsilon, chunk)?);
        self.freeze(Some((&calibration, epsilon)))?;
        Ok(calibration)
    }

    /// Images on the encoder's device, `[n, channels, height, width]`.
    pub(crate) fn upload(&self, images: Images<'_>) -> Tensor<B, 4> {
        let shape = images.shape();
        let [channels, height, width] = [shape.channels, shape.height, shape.width].map(|n| n as usize);
        let data = TensorData::new(images.pixels().to_vec(), [images.len(), channels, height, width]);
        Tensor::from_data(data, &self.device)
    }
}

/// Adds each image's moments, reduced on the device over its own pixels only, so that no number depends on the chunk.
fn add_images<B: Backend>(moments: &mut Moments, value: &Tensor<B, 4>) -> Result<(), EngineError> {
    let [n, channels, height, width] = value.dims();
    let pixels = value.clone().reshape([n, channels, height * width]);
    let mean = pixels.clone().mean_dim(2); // [n, channels, 1]
    let centred = pixels - mean.clone();
    let deviation = (centred.clone() * centred).sum_dim(2); // [n, channels, 1]
    let (means, deviations) = (read(mean.into_data())?, read(deviation.into_data())?);
    for (mean, deviation) in means.chunks(channels).zip(deviations.chunks(channels)) {
        moments.add_image((height * width) as u64, mean, deviation);
    }
    Ok(())
}

/// Values of a tensor that was read back, as `f32`.
pub(crate) fn read(data: TensorData) -> Result<Vec<f32>, EngineError> {
    data.convert::<f32>().into_vec().map_err(|error| EngineError::Device {
        engine: "burn".into(),
        message: format!("cannot read a tensor: {error:?}"),
    })
}
