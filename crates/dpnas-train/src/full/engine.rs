//! The contract of an engine for full training.

use super::{Examples, FullConfig, FullError};
use crate::{Epoch, Split, TrainReport};
use dpnas_grammar::Plan;
use dpnas_prior::WeightInit;
use dpnas_seed::Seed;
use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// Trains networks on one device.
///
/// Every engine minimises the same loss from the same host-drawn weights, with the images in the order of
/// [`ProbeConfig::epoch_order`](crate::ProbeConfig::epoch_order).
pub trait TrainEngine: Debug + Send + Sync {
    /// Device and precision, for example `flex f32`: part of a run's record.
    fn name(&self) -> &str;

    /// A number that changes whenever the results of a training change: part of a run's record.
    fn version(&self) -> u32;

    /// Least bytes that a training of this plan takes on `images` training images: weights with optimiser and gradients,
    /// and the activations of one block of images. It depends on nothing else, so neither threads nor free memory decide
    /// which network is out of memory.
    fn memory(&self, plan: &Plan, config: &FullConfig, images: usize) -> u64;

    /// Draws the weights and trains the network, after it has compared [`memory`](Self::memory) with the budget; `on_epoch` sees each epoch's record.
    ///
    /// With checkpoints, training continues from the last one, and the report includes the epochs before it.
    ///
    /// # Errors
    /// A wrong setting or set of images, [`FullError::NotFinite`] if training diverges, [`FullError::OverBudget`],
    /// [`FullError::Draw`], [`FullError::OutOfMemory`], [`FullError::Interrupted`], a checkpoint that cannot be used, or
    /// [`FullError::Device`].
    fn train(&self, job: &TrainJob<'_>, on_epoch: &mut dyn FnMut(&Epoch)) -> Result<TrainReport, FullError>;
}

/// One network to train.
#[derive(Clone, Copy, Debug)]
pub struct TrainJob<'a> {
    /// The architecture on the images.
    pub plan: &'a Plan,
    /// Initialisation of the encoder's weights.
    pub init: WeightInit,
    /// The seed of the encoder's initial weights.
    pub weight_seed: Seed,
    /// How to train.
    pub config: &'a FullConfig,
    /// Images whose loss is minimised.
    pub train: Examples<'a>,
    /// Images whose accuracy is the reward.
    pub valid: Examples<'a>,
    /// Images that do not influence the training.
    pub test: Option<Examples<'a>>,
    /// Limit of the bytes for weights, optimiser and activations. No result depends on it.
    pub memory_budget: u64,
    /// Largest number of images computed at once, but at least one block. No result depends on it.
    pub largest_chunk: NonZeroUsize,
    /// The checkpoints from which the training continues, and which it writes after each epoch.
    pub checkpoints: Option<&'a Checkpoints>,
    /// Ends the training, between steps, once it is set.
    pub stop: &'a AtomicBool,
}

impl TrainJob<'_> {
    /// Checks settings and images.
    ///
    /// # Errors
    /// A setting with a wrong value, or a set that is empty or does not fit the plan.
    pub fn check(&self) -> Result<(), FullError> {
        self.config.check()?;
        self.train.check(Split::Train, self.plan)?;
        self.valid.check(Split::Valid, self.plan)?;
        self.test.map_or(Ok(()), |test| test.check(Split::Test, self.plan))
    }
}

/// The folder of checkpoints, and the images that they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// The folder; an engine creates it if it is missing.
    pub folder: PathBuf,
    /// Identifies the images, for example by their fingerprint.
    pub data: String,
}
