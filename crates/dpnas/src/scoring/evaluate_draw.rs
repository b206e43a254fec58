//! Scoring an architecture under a draw of its weights that the caller chooses.

use crate::{Outcome, ScoreError};
use dpnas_grammar::Net;
use dpnas_seed::Seed;

/// Scores architectures, each under any number of draws of its initial weights.
///
/// [`DeepPrior`](crate::DeepPrior) leaves the drawn encoder as it is; full training starts from it. Data, split and
/// training seed are those of the scorer and the same for every draw, so that scores differ by the weights alone.
///
/// The same net and seed must get the same outcome whenever they are scored: a run is resumed by leaving out what is
/// recorded.
///
/// # Source
/// SPEC §1, H2 and H3.
pub trait EvaluateDraw: Send + Sync {
    /// Scores one architecture with the encoder's weights drawn from `weight_seed`.
    ///
    /// # Errors
    /// [`ScoreError::Interrupted`] if the scorer was asked to end early, or what failed. An architecture that is rejected
    /// or does not fit the memory is an [`Outcome`], no error.
    fn evaluate_draw(&self, net: &Net, weight_seed: Seed) -> Result<Outcome, ScoreError>;

    /// Says without computing anything whether an architecture can be scored at all, so that a run of many finds out
    /// before it begins. By default every one can.
    ///
    /// # Errors
    /// Why it cannot, for example because it does not fit the images.
    fn check(&self, _net: &Net) -> Result<(), ScoreError> {
        Ok(())
    }

    /// Names everything beside the net and the seed that decides an outcome, for example device, data and training
    /// settings. A run is resumed only under the identity that it was begun with.
    fn identity(&self) -> String;
}
