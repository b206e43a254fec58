//! The images of a search: training, validation and test set.

use dpnas_data::{DataError, DataSet, Fingerprint, ImageSet, hold_out};
use dpnas_seed::Seed;

/// Fraction of the training images held out for validation.
pub const VALID_FRACTION: f64 = 0.1;

/// Training, validation and test images, with their fingerprint.
#[derive(Clone, Debug)]
pub struct Splits {
    /// Training images.
    pub train: ImageSet,
    /// Held-out images. The accuracy on them is the reward.
    pub valid: ImageSet,
    /// Test images.
    pub test: ImageSet,
    fingerprint: String,
}

impl Splits {
    /// Holds out a seeded random 10 % of the training images.
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

    /// Takes sets that are already split.
    pub fn new(train: ImageSet, valid: ImageSet, test: ImageSet) -> Self {
        let fingerprints = [&train, &valid, &test].map(|set| short(&set.fingerprint()));
        Self { train, valid, test, fingerprint: fingerprints.join("-") }
    }

    /// A seeded random subset of at most `images` training images, in the order of the set. It calibrates the
    /// normalisation. The subset is random because a data set may be sorted by class.
    ///
    /// # Source
    /// SPEC §6.
    pub fn calibration_set(&self, images: usize, seed: Seed) -> ImageSet {
        self.train.select(&self.calibration_indices(images, seed))
    }

    /// Indices of the training images in [`calibration_set`](Self::calibration_set).
    pub(crate) fn calibration_indices(&self, images: usize, seed: Seed) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..self.train.len()).collect();
        seed.stream("calibration", 0).rng().shuffle(&mut indices);
        indices.truncate(images);
        indices.sort_unstable();
        indices
    }

    /// Fingerprint of all three sets: pixels, labels and order.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The number of classes.
    pub fn classes(&self) -> u32 {
        self.train.classes().max(self.valid.classes()).max(self.test.classes())
    }
}

/// The first 64 bits of a fingerprint, in hexadecimal.
pub(crate) fn short(fingerprint: &Fingerprint) -> String {
    crate::hex::hex(&fingerprint.as_bytes()[..8])
}
