//! How a deep prior is scored.

use crate::WeightDraw;
use dpnas_prior::{Normalisation, WeightInit};
use dpnas_seed::Seed;
use dpnas_train::ProbeConfig;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// How a deep prior is scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeepPriorConfig {
    /// How weights are drawn.
    pub init: WeightInit,
    /// The seed of the weights.
    pub weight_seed: Seed,
    /// Whether all architectures have that seed, so that those with the same first layers share their weights.
    pub draw: WeightDraw,
    /// How activations are normalised.
    pub norm: Normalisation,
    /// Training images that calibrate the normalisation, at most: a random subset by the classifier's seed.
    pub calibration_images: NonZeroUsize,
    /// How the linear classifier is trained.
    pub probe: ProbeConfig,
    /// Bytes that scoring may take beside the images and the program: weights, activations, embedding and classifier. It
    /// decides how many images are computed at once and whether an embedding stays in memory. No result depends on it,
    /// but an architecture that does not fit it one image at a time is out of memory.
    pub memory_budget: u64,
    /// Images computed at once, at most. No result depends on it.
    pub largest_chunk: NonZeroUsize,
}

impl DeepPriorConfig {
    /// Calibration images by default. A channel's statistics over them are within a few percent of those over a large
    /// training set, even where a map is down to one pixel.
    pub const CALIBRATION_IMAGES: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
    /// The memory budget by default, in bytes: 2 GiB. [`auto_memory_budget`](crate::auto_memory_budget) goes by what is
    /// free.
    pub const MEMORY_BUDGET: u64 = 2 << 30;
    /// Images computed at once by default.
    pub const LARGEST_CHUNK: NonZeroUsize = NonZeroUsize::new(256).unwrap();

    /// Kaiming-normal weights, calibrated normalisation, and the published classifier.
    pub fn paper(seed: Seed) -> Self {
        Self {
            init: WeightInit::KaimingNormal,
            weight_seed: seed,
            draw: WeightDraw::PerSearch,
            norm: Normalisation::calibrated(),
            calibration_images: Self::CALIBRATION_IMAGES,
            probe: ProbeConfig::paper(seed),
            memory_budget: Self::MEMORY_BUDGET,
            largest_chunk: Self::LARGEST_CHUNK,
        }
    }
}
