//! The scale and shift of every norm of a plan, padded to stored channels.

use crate::layout::CHANNEL_BLOCK;
use dpnas_grammar::Plan;
use dpnas_prior::{Affine, Calibration, EngineError};

/// The scale and shift of every norm, in the order of a plan's stages.
#[derive(Clone, Debug)]
pub(crate) struct Norms {
    affines: Vec<Affine>,
    identity: Affine,
}

impl Norms {
    /// No normalisation.
    pub(crate) fn none(plan: &Plan) -> Self {
        let channels = Calibration::channels(plan);
        let widest = plan.stages().iter().map(|stage| stage.input.channels.max(stage.output.channels)).max();
        Self {
            affines: channels.iter().flatten().map(|&channels| identity(channels as usize)).collect(),
            identity: identity(widest.unwrap_or(1) as usize),
        }
    }

    /// Normalisation with these statistics.
    pub(crate) fn with(plan: &Plan, calibration: &Calibration, epsilon: f64) -> Result<Self, EngineError> {
        calibration.check(plan)?;
        let affines = calibration.stages.iter().flatten().map(|stats| padded(stats.fold(epsilon))).collect();
        Ok(Self { affines, ..Self::none(plan) })
    }

    /// Sets one norm.
    pub(crate) fn set(&mut self, norm: usize, affine: Affine) {
        self.affines[norm] = padded(affine);
    }

    /// Scale and shift of a norm.
    pub(crate) fn of(&self, norm: usize) -> (&[f32], &[f32]) {
        let affine = &self.affines[norm];
        (&affine.scale, &affine.shift)
    }

    /// Scale 1 and shift 0.
    pub(crate) fn identity(&self) -> (&[f32], &[f32]) {
        (&self.identity.scale, &self.identity.shift)
    }
}

fn identity(channels: usize) -> Affine {
    padded(Affine { scale: vec![1.0; channels], shift: vec![0.0; channels] })
}

/// Pads with zeros for the stored channels beyond the map's.
fn padded(mut affine: Affine) -> Affine {
    let stored = affine.scale.len().next_multiple_of(CHANNEL_BLOCK);
    affine.scale.resize(stored, 0.0);
    affine.shift.resize(stored, 0.0);
    affine
}
