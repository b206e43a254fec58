//! Settings of scoring a deep prior.

use crate::{Head, WeightDraw};
use dpnas_prior::{Normalisation, WeightInit};
use dpnas_seed::Seed;
use dpnas_train::ProbeConfig;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// Settings of scoring a deep prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeepPriorConfig {
    /// Initialisation of the weights.
    pub init: WeightInit,
    /// The seed of the weights.
    pub weight_seed: Seed,
    /// Whether all architectures share that seed. If so, architectures with a common prefix share its weights.
    pub draw: WeightDraw,
    /// How activations are normalised.
    pub norm: Normalisation,
    /// Largest number of training images that calibrate the normalisation: a random subset, drawn with the seed of the
    /// classifier.
    pub calibration_images: NonZeroUsize,
    /// The method that trains the linear classifier.
    #[serde(default)]
    pub head: Head,
    /// Settings of Adam; threads and seed hold for each method.
    pub probe: ProbeConfig,
    /// Limit of the bytes for weights, activations, embedding and classifier; images and program are not included. It
    /// decides how many images are computed at once and whether an embedding stays in memory. No reward depends on it,
    /// but an architecture is out of memory if not even one image fits.
    pub memory_budget: u64,
    /// Largest number of images computed at once. No result depends on it.
    pub largest_chunk: NonZeroUsize,
}

impl DeepPriorConfig {
    /// Default number of calibration images. The statistics of a channel over them are within a few percent of those
    /// over a large training set, even if the feature map has only one pixel.
    pub const CALIBRATION_IMAGES: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
    /// Default memory budget in bytes: 2 GiB. [`auto_memory_budget`](crate::auto_memory_budget) depends on the free
    /// memory instead.
    pub const MEMORY_BUDGET: u64 = 2 << 30;
    /// Default of the largest number of images computed at once.
    pub const LARGEST_CHUNK: NonZeroUsize = NonZeroUsize::new(256).unwrap();

    /// Kaiming-normal weights, calibrated normalisation, and the published classifier.
    pub fn paper(seed: Seed) -> Self {
        Self {
            init: WeightInit::KaimingNormal,
            weight_seed: seed,
            draw: WeightDraw::PerSearch,
            norm: Normalisation::calibrated(),
            calibration_images: Self::CALIBRATION_IMAGES,
            head: Head::Adam,
            probe: ProbeConfig::paper(seed),
            memory_budget: Self::MEMORY_BUDGET,
            largest_chunk: Self::LARGEST_CHUNK,
        }
    }
}
