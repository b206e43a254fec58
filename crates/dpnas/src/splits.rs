//! The images of a search: what is learnt from, validated on and tested on.

use dpnas_data::{DataError, DataSet, Fingerprint, ImageSet, hold_out};
use dpnas_seed::Seed;

/// Share of the training images that is held out for validation.
pub const VALID_FRACTION: f64 = 0.1;

/// Training, validation and test images, with what identifies them.
#[derive(Clone, Debug)]
pub struct Splits {
    /// Images to learn from.
    pub train: ImageSet,
    /// Held-out images whose accuracy is the reward.
    pub valid: ImageSet,
    /// Test images.
    pub test: ImageSet,
    fingerprint: String,
}

impl Splits {
    /// Holds out a random 10 % of the training images, by the seed.
    ///
    /// # Errors
    /// If there are fewer than two training images.
    ///
    /// # Source
    /// SPEC §7.
    pub fn hold_out(data: &DataSet, seed: Seed) -> Result<Self, DataError> {
        let split = hold_out(data.train.len(), VALID_FRACTION, seed)?;
        let (train, valid) = (data.train.select(&split.train), data.train.select(&split.valid));
        Ok(Self::new(train, valid, data.test.clone()))
    }

    /// Splits that were made elsewhere.
    pub fn new(train: ImageSet, valid: ImageSet, test: ImageSet) -> Self {
        let fingerprints = [&train, &valid, &test].map(|set| short(&set.fingerprint()));
        Self { train, valid, test, fingerprint: fingerprints.join("-") }
    }

    /// A random subset of `images` training images at most, by the seed, in the order of the set: what calibrates the
    /// normalisation. A data set may be sorted by class, so its first images would not do.
    ///
    /// # Source
    /// SPEC §6.
    pub fn calibration_set(&self, images: usize, seed: Seed) -> ImageSet {
        self.train.select(&self.calibration_indices(images, seed))
    }

    /// The training images of [`calibration_set`](Self::calibration_set), by their indices.
    pub(crate) fn calibration_indices(&self, images: usize, seed: Seed) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..self.train.len()).collect();
        seed.stream("calibration", 0).rng().shuffle(&mut indices);
        indices.truncate(images);
        indices.sort_unstable();
        indices
    }

    /// Identifies all three sets: pixels, labels and order.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The number of classes.
    pub fn classes(&self) -> u32 {
        self.train.classes().max(self.valid.classes()).max(self.test.classes())
    }
}

/// The first 64 bits, in hexadecimal.
pub(crate) fn short(fingerprint: &Fingerprint) -> String {
    fingerprint.as_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
