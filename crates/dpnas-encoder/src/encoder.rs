//! A frozen random encoder on tensors.

use crate::program::{Op, State, program};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use dpnas_grammar::Plan;
use dpnas_prior::{Calibration, EngineError, Prior};

/// A frozen random encoder on the tensors of backend `B`.
///
/// # Source
/// SPEC §6.
#[derive(Clone, Debug)]
pub struct Encoder<B: Backend> {
    pub(crate) plan: Plan,
    pub(crate) device: B::Device,
    /// Operations as drawn: norms without statistics.
    pub(crate) drawn: Vec<Op<B>>,
    /// Operations as computed: statistics folded into weights and shifts.
    frozen: Vec<Op<B>>,
}

impl<B: Backend> Encoder<B> {
    /// Copies the weights to the device. The encoder does not normalise until it is frozen with statistics.
    pub fn new(prior: &Prior, device: &B::Device) -> Self {
        let drawn = program(prior, device);
        Self { plan: prior.plan().clone(), device: device.clone(), frozen: drawn.clone(), drawn }
    }

    /// The plan of the encoder.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The device that holds the weights.
    pub fn device(&self) -> &B::Device {
        &self.device
    }

    /// Normalises with these statistics and ε from now on; `None` switches normalisation off.
    ///
    /// A norm after a convolution folds into its weights and a shift. The first norm of a residual block becomes a scale
    /// and a shift of its input.
    ///
    /// # Errors
    /// [`EngineError::WrongCalibration`] if the statistics belong to another plan.
    pub fn freeze(&mut self, statistics: Option<(&Calibration, f64)>) -> Result<(), EngineError> {
        let Some((calibration, epsilon)) = statistics else {
            self.frozen = self.drawn.clone();
            return Ok(());
        };
        calibration.check(&self.plan)?;
        let mut stats = calibration.stages.iter().flatten();
        let mut frozen: Vec<Op<B>> = Vec::with_capacity(self.drawn.len());
        for op in &self.drawn {
            match (op, frozen.last_mut()) {
                (Op::Norm { stage, .. }, last) => {
                    let affine = stats
                        .next()
                        .map(|stats| stats.fold(epsilon))
                        .ok_or(EngineError::WrongCalibration { stage: *stage })?;
                    match last {
                        Some(Op::Conv(conv)) => *conv = conv.folded(&affine),
                        _ => frozen.push(Op::affine(*stage, &affine, &self.device)),
                    }
                }
                (op, _) => frozen.push(op.clone()),
            }
        }
        self.frozen = frozen;
        Ok(())
    }

    /// Embeds images.
    ///
    /// # Shapes
    /// `[n, channels, height, width]` → `[n, features]`.
    ///
    /// # Errors
    /// [`EngineError::WrongShape`] if the images do not have the shape of the plan's input.
    pub fn encode(&self, images: Tensor<B, 4>) -> Result<Tensor<B, 2>, EngineError> {
        let [n, channels, height, width] = images.dims();
        let expected = self.plan.input();
        let found = dpnas_grammar::ImageShape {
            channels: u32::try_from(channels).unwrap_or(u32::MAX),
            height: u32::try_from(height).unwrap_or(u32::MAX),
            width: u32::try_from(width).unwrap_or(u32::MAX),
        };
        if found != expected {
            return Err(EngineError::WrongShape { expected, found });
        }
        let State { value, .. } = self.frozen.iter().fold(State::new(images), |state, op| op.apply(state));
        let features: usize = value.dims()[1..].iter().product();
        // A backend may rectify −0 to −0 or 0, depending on the element's place in the chunk. Adding 0 makes both 0.
        Ok(value.reshape([n, features]).add_scalar(0.0))
    }
}
