//! Conformance suite for the tests of engines.
//!
//! [`check`] compares an engine with a slow reference that shares no code with any engine, and checks the promises of
//! [`Engine`] and [`Encode`]: the same bits for any chunk and any number of threads, and the documented errors.
//!
//! ```no_run
//! # fn of(engine: &dyn dpnas_prior::Engine) -> Result<(), Box<dyn std::error::Error>> {
//! use dpnas_grammar::{ImageShape, Net};
//! use dpnas_prior::conformance::{Tolerance, check};
//!
//! let net: Net = "[C(5,3,2,1,1), C(7,3,1,1,0), P(2,1,0,0), SM(10)]".parse()?;
//! check(engine, &net.plan(ImageShape::square(3, 9))?, 1, Tolerance::F32)?;
//! # Ok(())
//! # }
//! ```

mod oracle;

pub use oracle::{calibrate, embed};

use crate::{Calibration, Encode, EncodeExt, Engine, EngineError, Images, Measure, Precision, Prior, WeightInit};
use dpnas_grammar::{ImageShape, Plan};
use dpnas_seed::Seed;
use std::num::NonZeroUsize;

/// Largest difference between an engine and the reference, relative to the largest compared value (at least 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// For an embedding.
    pub embedding: f64,
    /// For means, and for standard deviations.
    pub moments: f64,
}

impl Tolerance {
    /// Single precision through a few layers.
    pub const F32: Self = Self { embedding: 2e-5, moments: 1e-4 };
    /// Maps and weights in bfloat16, sums in single precision.
    pub const BF16: Self = Self { embedding: 1.2e-1, moments: 1e-1 };
}

/// Added to variances: large enough that a channel which is almost constant does not amplify a rounding error.
const EPSILON: f64 = 0.3;
const IMAGES: usize = 7;
const CHUNK: NonZeroUsize = NonZeroUsize::new(3).unwrap();
/// Number of calibration images, the first ones.
const CALIBRATING: usize = 5;

/// Checks an engine on one plan. For several engines, make one [`Reference`].
///
/// # Errors
/// The first broken promise, with the plan.
pub fn check(engine: &dyn Engine, plan: &Plan, seed: u64, tolerance: Tolerance) -> Result<(), String> {
    Reference::new(plan, seed)?.check(engine, tolerance)
}

/// A plan with weights, images and the slow results that engines are compared with.
#[derive(Clone, Debug)]
pub struct Reference {
    plan: Plan,
    seed: u64,
    prior: Prior,
    pixels: Vec<f32>,
    calibration: Calibration,
    conditioned: Calibration,
    /// Embeddings without normalisation and with it.
    rows: [Vec<f64>; 2],
}

impl Reference {
    /// Draws weights and images and computes the results.
    ///
    /// # Errors
    /// If the plan does not fit the memory.
    pub fn new(plan: &Plan, seed: u64) -> Result<Self, String> {
        let prior = Prior::draw(plan, WeightInit::KaimingNormal, Seed(seed)).map_err(text)?;
        let elements = plan.input().elements().and_then(|elements| usize::try_from(elements).ok()).unwrap_or(0);
        let mut pixels = vec![0.0; IMAGES * elements];
        Seed(seed).stream("conformance images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
        let images = Images::new(plan.input(), &pixels).map_err(text)?;
        let calibration = calibrate(&prior, EPSILON, images);
        let conditioned = conditioned(calibration.clone());
        let rows = [None, Some((&conditioned, EPSILON))].map(|statistics| embed(&prior, statistics, images));
        Ok(Self { plan: plan.clone(), seed, prior, pixels, calibration, conditioned, rows })
    }

    /// Checks an engine.
    ///
    /// # Errors
    /// The first broken promise, with the plan.
    pub fn check(&self, engine: &dyn Engine, tolerance: Tolerance) -> Result<(), String> {
        let case = Case { engine, reference: self };
        case.embedding(tolerance)
            .and_then(|()| case.moments(tolerance))
            .and_then(|()| case.bits())
            .and_then(|()| case.errors())
            .map_err(|broken| {
                let Self { plan, seed, .. } = self;
                format!("{} on {} of {}, seed {seed}: {broken}", engine.name(), plan.net(), plan.input())
            })
    }
}

struct Case<'a> {
    engine: &'a dyn Engine,
    reference: &'a Reference,
}

impl Case<'_> {
    fn images(&self) -> Result<Images<'_>, String> {
        Images::new(self.reference.plan.input(), &self.reference.pixels).map_err(text)
    }

    fn load(&self) -> Result<Box<dyn Encode>, String> {
        self.engine.load(&self.reference.prior).map_err(text)
    }

    fn embedding(&self, tolerance: Tolerance) -> Result<(), String> {
        let (mut encoder, images) = (self.load()?, self.images()?);
        if *encoder.plan() != self.reference.plan {
            return Err("the encoder names another plan".into());
        }
        let both = [None, Some((&self.reference.conditioned, EPSILON))];
        for (statistics, expected) in both.into_iter().zip(&self.reference.rows) {
            encoder.freeze(statistics).map_err(text)?;
            let rows = encoder.embed(images).map_err(text)?;
            if rows.iter().any(|value| value.to_bits() == (-0.0f32).to_bits()) {
                return Err("an embedding has a negative zero".into());
            }
            let upper_half = |value: &f32| value.to_bits().trailing_zeros() >= 16;
            if self.engine.row_precision() == Precision::Bf16 && !rows.iter().all(upper_half) {
                return Err("an embedding has a number that is no bf16".into());
            }
            let what = if statistics.is_some() { "normalised embedding" } else { "embedding" };
            let rows: Vec<f64> = rows.into_iter().map(f64::from).collect();
            close(what, &rows, expected, tolerance.embedding)?;
        }
        Ok(())
    }

    fn moments(&self, tolerance: Tolerance) -> Result<(), String> {
        let (encoder, images) = (self.load()?, self.images()?);
        let measured = encoder.measure(Measure::new(images, EPSILON, CHUNK)).map_err(text)?;
        let measured = Calibration::from_moments(&measured);
        let expected = &self.reference.calibration;
        let norms = |calibration: &Calibration| calibration.stages.iter().map(Vec::len).collect::<Vec<_>>();
        if norms(&measured) != norms(expected) {
            return Err(format!("norms of the stages: {:?}, not {:?}", norms(&measured), norms(expected)));
        }
        for (found, expected) in measured.stages.iter().flatten().zip(expected.stages.iter().flatten()) {
            let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let spread = |values: &[f32]| values.iter().map(|&x| f64::from(x).sqrt()).collect::<Vec<_>>();
            close("means", &wide(&found.mean), &wide(&expected.mean), tolerance.moments)?;
            close("deviations", &spread(&found.variance), &spread(&expected.variance), tolerance.moments)?;
        }
        Ok(())
    }

    /// Checks that chunks, threads and held activations change no bit.
    fn bits(&self) -> Result<(), String> {
        let expected = self.results(512, u64::MAX)?;
        for (chunk, held_bytes) in [(1, u64::MAX), (2, 0), (3, u64::MAX), (6, 0)] {
            if self.results(chunk, held_bytes)? != expected {
                return Err(format!("chunks of {chunk} with {held_bytes} bytes held give other bits than all at once"));
            }
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(text)?;
            if pool.install(|| self.results(4, u64::MAX))? != expected {
                return Err(format!("{threads} threads give other bits"));
            }
        }
        Ok(())
    }

    /// Calibrates on the first images and embeds all. Rows from the calibration must equal those of the embedding.
    fn results(&self, chunk: usize, held_bytes: u64) -> Result<(Calibration, Vec<u32>), String> {
        let (mut encoder, images, mut known) = (self.load()?, self.images()?, vec![1.0; 3]);
        let chunk = NonZeroUsize::new(chunk).unwrap_or(NonZeroUsize::MIN);
        let mut request = Measure::new(images.split_at(CALIBRATING).0, EPSILON, chunk);
        (request.held_bytes, request.rows) = (held_bytes, Some(&mut known));
        let calibration = encoder.calibrate(&mut request).map_err(text)?;
        let mut rows = Vec::new();
        let sink = |block: &[f32]| -> Result<(), EngineError> {
            rows.extend(block.iter().map(|value| value.to_bits()));
            Ok(())
        };
        encoder.encode_in_chunks(images, &mut request.chunk, sink).map_err(text)?;
        let features = rows.len() / IMAGES;
        let known: Vec<u32> = known.into_iter().map(f32::to_bits).collect();
        if !known.is_empty() && known != rows[..CALIBRATING * features] {
            return Err(format!("rows measured with {held_bytes} bytes held have other bits than encoded ones"));
        }
        Ok((calibration, rows))
    }

    fn errors(&self) -> Result<(), String> {
        let (mut encoder, images) = (self.load()?, self.images()?);
        let expected = self.reference.plan.input();
        let found = ImageShape { channels: expected.channels + 1, ..expected };
        let zeros = vec![0.0; found.elements().unwrap_or(0) as usize];
        let wrong = Images::new(found, &zeros).map_err(text)?;
        let errors = [encoder.embed(wrong).err(), encoder.measure(Measure::new(wrong, EPSILON, CHUNK)).err()];
        if errors != [(); 2].map(|()| Some(EngineError::WrongShape { expected, found })) {
            return Err("images of another shape are accepted".into());
        }
        let none = Images::new(expected, &[]).map_err(text)?;
        if encoder.measure(Measure::new(none, EPSILON, CHUNK)) != Err(EngineError::EmptyCalibrationSet) {
            return Err("an empty calibration set is accepted".into());
        }
        if !encoder.embed(none).map_err(text)?.is_empty() {
            return Err("no images have an embedding".into());
        }
        let before = encoder.embed(images).map_err(text)?;
        let mut calibration = self.reference.calibration.clone();
        if let Some(stage) = calibration.stages.iter().rposition(|norms| !norms.is_empty()) {
            let norm = &mut calibration.stages[stage][0];
            norm.mean.push(0.0);
            norm.variance.push(1.0);
            if encoder.freeze(Some((&calibration, EPSILON))) != Err(EngineError::WrongCalibration { stage }) {
                return Err(format!("statistics with a channel too many in stage {stage} are accepted"));
            }
        }
        calibration.stages.push(Vec::new());
        if !matches!(encoder.freeze(Some((&calibration, EPSILON))), Err(EngineError::WrongCalibration { .. })) {
            return Err("statistics of another plan are accepted".into());
        }
        if encoder.embed(images).map_err(text)? != before {
            return Err("refused statistics have an effect".into());
        }
        Ok(())
    }
}

/// Raises variances that are small compared with the mean, for both sides. They would amplify rounding errors.
fn conditioned(mut calibration: Calibration) -> Calibration {
    for stats in calibration.stages.iter_mut().flatten() {
        for (variance, mean) in stats.variance.iter_mut().zip(&stats.mean) {
            *variance = variance.max(0.5 * mean * mean);
        }
    }
    calibration
}

fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{what}: {} values, not {}", found.len(), expected.len()));
    }
    let largest = expected.iter().fold(1.0f64, |largest, x| largest.max(x.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        if error.is_nan() || error > tolerance * largest {
            return Err(format!("{what}: value {index} is {found}, not {expected} (largest {largest})"));
        }
    }
    Ok(())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
