//! Scoring an architecture with weights drawn from a given seed.

use crate::{Outcome, ScoreError};
use dpnas_grammar::Net;
use dpnas_seed::Seed;

/// Scores architectures, each under any number of draws of its initial weights.
///
/// [`DeepPrior`](crate::DeepPrior) keeps the drawn encoder frozen; full training starts from it. Data, split and
/// training seed belong to the scorer. They are the same for every draw, so scores differ only by the weights.
///
/// Scoring must be repeatable: the same net and seed always get the same outcome. A resumed run relies on it because it
/// skips recorded draws.
///
/// # Source
/// SPEC §1, H2 and H3.
pub trait EvaluateDraw: Send + Sync {
    /// Scores one architecture with the encoder's weights drawn from `weight_seed`.
    ///
    /// # Errors
    /// [`ScoreError::Interrupted`] if the scorer was asked to end early, another [`ScoreError`] if scoring failed. An
    /// architecture that is rejected or does not fit the memory is an [`Outcome`], not an error.
    fn evaluate_draw(&self, net: &Net, weight_seed: Seed) -> Result<Outcome, ScoreError>;

    /// Checks, without computing anything, that an architecture can be scored. A run checks all of its architectures
    /// before it begins. The default accepts every architecture.
    ///
    /// # Errors
    /// If the architecture cannot be scored, for example because it does not fit the images.
    fn check(&self, _net: &Net) -> Result<(), ScoreError> {
        Ok(())
    }

    /// As [`Evaluate::kept`](crate::Evaluate::kept), for a draw.
    fn kept(&self, _net: &Net, _weight_seed: Seed) -> u64 {
        0
    }

    /// Names everything that decides an outcome besides the net and the seed, for example device, data and training
    /// settings. A run can be resumed only with the identity it began with.
    fn identity(&self) -> String;
}
