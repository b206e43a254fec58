//! Synthetic images for tests and benchmarks.

use crate::set::{buffer, numbered_classes};
use crate::{DataError, DataSet, ImageSet};
use dpnas_grammar::ImageShape;
use dpnas_seed::{Rng, Seed};
use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};

/// A data set of striped patches. A class is a direction and a width of the stripes, both slightly random. The position
/// of the patch, the shift and strength of its stripes, and the noise are random.
///
/// Shifts and positions nearly cancel in the mean of a class, so that a linear classifier on pixels is above chance but
/// stays far below one on features that tolerate shifts: on [`SyntheticConfig::small`] a ridge regression gets about
/// 0.37 on pixels and 0.94 on the means of 64 random, rectified 5×5 filters.
///
/// An image depends only on the seed, its part (training or test), its index, and the settings other than `train` and
/// `test`; the image with index `i` has label `i mod classes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticConfig {
    /// Number of training images, at least 1.
    pub train: usize,
    /// Number of test images, at least 1.
    pub test: usize,
    /// Number of classes, at least 1.
    pub classes: u32,
    /// Shape of an image; in several channels the stripes differ in strength.
    pub shape: ImageShape,
    /// Standard deviation of the noise on each pixel, in units of the range from black to white.
    pub noise: f32,
    /// Seed of the random numbers.
    pub seed: Seed,
}

impl SyntheticConfig {
    /// 1,000 training and 200 test images of 1x16x16 in 10 classes, noise 0.25, seed 0.
    pub fn small() -> Self {
        Self { train: 1000, test: 200, classes: 10, shape: ImageShape::square(1, 16), noise: 0.25, seed: Seed(0) }
    }

    fn check(&self) -> Result<(), DataError> {
        let wrong = |field, value: &dyn ToString, expected| {
            Err(DataError::Synthetic { field, value: value.to_string(), expected })
        };
        match self {
            Self { train: 0, .. } => wrong("train", &0, "at least 1 image"),
            Self { test: 0, .. } => wrong("test", &0, "at least 1 image"),
            Self { classes: 0, .. } => wrong("classes", &0, "at least 1 class"),
            Self { classes: 65_537.., .. } => wrong("classes", &self.classes, "at most 65536 classes"),
            Self { noise, .. } if !(0.0..=10.0).contains(noise) => wrong("noise", noise, "a number from 0 to 10"),
            _ => Ok(()),
        }
    }
}

/// Generates the data set.
pub(crate) fn generate(config: &SyntheticConfig) -> Result<DataSet, DataError> {
    config.check()?;
    let train = part(config, ["synthetic-train", "synthetic-train-noise"], config.train)?;
    let test = part(config, ["synthetic-test", "synthetic-test-noise"], config.test)?;
    Ok(DataSet::new("synthetic", train, test))
}

/// The images of one part; `purposes` name its streams of patterns and of noise.
fn part(config: &SyntheticConfig, purposes: [&str; 2], images: usize) -> Result<ImageSet, DataError> {
    let shape = config.shape;
    let mut pixels = buffer(shape, images)?;
    let plane = shape.height as usize * shape.width as usize;
    let mut noise = vec![0.0; plane * shape.channels as usize];
    let mut labels = Vec::with_capacity(images);
    for index in 0..images as u64 {
        let label = (index % u64::from(config.classes)) as u32;
        let [pattern_stream, noise_stream] = purposes.map(|purpose| config.seed.stream(purpose, index));
        let mut rng = pattern_stream.rng();
        let patch = Patch::draw(&mut rng, label, config);
        noise_stream.fill_normal(0, &mut noise);
        for noise in noise.chunks_exact(plane) {
            let strength = 0.25 + 0.25 * rng.unit();
            pixels.extend(patch.values().zip(noise).map(|(value, &noise)| {
                let pixel = 0.5 + strength * value + f64::from(config.noise) * f64::from(noise);
                pixel.clamp(0.0, 1.0) as f32
            }));
        }
        labels.push(label);
    }
    ImageSet::new(shape, pixels, labels, numbered_classes(config.classes))
}

/// A patch of stripes: a plane wave under a bell. Both are products of (sums of products of) one factor for the row and
/// one for the column, so that sines and exponentials are computed once an axis.
struct Patch {
    rows: Vec<Wave>,
    columns: Vec<Wave>,
}

/// The bell's value and the wave's phase, as a point on the unit circle, at one row or column.
struct Wave {
    bell: f64,
    sin: f64,
    cos: f64,
}

impl Patch {
    fn draw(rng: &mut Rng, label: u32, config: &SyntheticConfig) -> Self {
        let mut within = |low: f64, high: f64| low + (high - low) * rng.unit();
        let direction = PI * (f64::from(label) + within(-0.35, 0.35)) / f64::from(config.classes);
        let period = within(0.85, 1.15) * if label.is_multiple_of(2) { 4.0 } else { 6.0 }; // pixels
        let phase = TAU * within(0.0, 0.5);
        let (sin, cos) = libm::sincos(direction);
        let mut axis = |size: u32, frequency: f64, phase: f64| -> Vec<Wave> {
            let size_f = f64::from(size);
            let centre = size_f * within(0.25, 0.75);
            let width = 0.22 * size_f;
            let at = |position: u32| {
                let offset = (f64::from(position) + 0.5 - centre) / width;
                let (sin, cos) = libm::sincos(TAU * frequency * f64::from(position) + phase);
                Wave { bell: libm::exp(-0.5 * offset * offset), sin, cos }
            };
            (0..size).map(at).collect()
        };
        let rows = axis(config.shape.height, sin / period, phase);
        let columns = axis(config.shape.width, cos / period, 0.0);
        Self { rows, columns }
    }

    /// Numbers in [-1, 1], row-major: bell × sin(row phase + column phase).
    fn values(&self) -> impl Iterator<Item = f64> {
        self.rows.iter().flat_map(|row| {
            self.columns.iter().map(|column| row.bell * column.bell * (row.sin * column.cos + row.cos * column.sin))
        })
    }
}
