//! What every engine must satisfy, as checks that its tests call with plans of their choice.
//!
//! [`check`] compares an engine with a slow reference that shares no code with any, and holds it to the promises of
//! [`Engine`] and [`Encode`]: the same bits for any chunk and any number of threads; errors where they are due. The first
//! broken promise comes back as a text.
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

use crate::{Calibration, Encode, Engine, EngineError, Images, Precision, Prior, WeightInit};
use dpnas_grammar::{ImageShape, Plan};
use dpnas_seed::Seed;
use std::num::NonZeroUsize;

/// How far an engine may be from the reference, relative to the largest value of what is compared (at least 1).
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

/// Checks everything that is checked, on one plan.
///
/// # Errors
/// What the engine broke, with the plan.
pub fn check(engine: &dyn Engine, plan: &Plan, seed: u64, tolerance: Tolerance) -> Result<(), String> {
    let case = Case::new(engine, plan, seed)?;
    case.embedding(tolerance)
        .and_then(|()| case.moments(tolerance))
        .and_then(|()| case.chunks())
        .and_then(|()| case.threads())
        .and_then(|()| case.rows_of_the_calibration_set())
        .and_then(|()| case.errors())
        .map_err(|broken| format!("{} on {} of {}, seed {seed}: {broken}", engine.name(), plan.net(), plan.input()))
}

struct Case<'a> {
    engine: &'a dyn Engine,
    plan: &'a Plan,
    prior: Prior,
    pixels: Vec<f32>,
}

impl<'a> Case<'a> {
    fn new(engine: &'a dyn Engine, plan: &'a Plan, seed: u64) -> Result<Self, String> {
        let prior = Prior::draw(plan, WeightInit::KaimingNormal, Seed(seed)).map_err(text)?;
        let elements = plan.input().elements().and_then(|elements| usize::try_from(elements).ok()).unwrap_or(0);
        let mut pixels = vec![0.0; IMAGES * elements];
        Seed(seed).stream("conformance images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
        Ok(Self { engine, plan, prior, pixels })
    }

    fn images(&self) -> Result<Images<'_>, String> {
        Images::new(self.plan.input(), &self.pixels).map_err(text)
    }

    fn load(&self) -> Result<Box<dyn Encode>, String> {
        self.engine.load(&self.prior).map_err(text)
    }

    fn embedding(&self, tolerance: Tolerance) -> Result<(), String> {
        let (mut encoder, images) = (self.load()?, self.images()?);
        if encoder.plan() != self.plan {
            return Err("the encoder names another plan".into());
        }
        let calibration = conditioned(calibrate(&self.prior, EPSILON, images));
        for statistics in [None, Some((&calibration, EPSILON))] {
            encoder.freeze(statistics).map_err(text)?;
            let rows = encoder.encode(images).map_err(text)?;
            if rows.iter().any(|value| value.to_bits() == (-0.0f32).to_bits()) {
                return Err("an embedding has a negative zero".into());
            }
            let upper_half = |value: &f32| value.to_bits().trailing_zeros() >= 16;
            if self.engine.row_precision() == Precision::Bf16 && !rows.iter().all(upper_half) {
                return Err("an embedding has a number that is no bf16".into());
            }
            let what = if statistics.is_some() { "normalised embedding" } else { "embedding" };
            let rows: Vec<f64> = rows.into_iter().map(f64::from).collect();
            close(what, &rows, &embed(&self.prior, statistics, images), tolerance.embedding)?;
        }
        Ok(())
    }

    fn moments(&self, tolerance: Tolerance) -> Result<(), String> {
        let (encoder, images) = (self.load()?, self.images()?);
        let measured = encoder.measure(images, EPSILON, NonZeroUsize::MIN.saturating_add(2)).map_err(text)?;
        let measured = Calibration::from_moments(&measured);
        let expected = calibrate(&self.prior, EPSILON, images);
        let norms = |calibration: &Calibration| calibration.stages.iter().map(Vec::len).collect::<Vec<_>>();
        if norms(&measured) != norms(&expected) {
            return Err(format!("norms of the stages: {:?}, not {:?}", norms(&measured), norms(&expected)));
        }
        for (found, expected) in measured.stages.iter().flatten().zip(expected.stages.iter().flatten()) {
            let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let spread = |values: &[f32]| values.iter().map(|&x| f64::from(x).sqrt()).collect::<Vec<_>>();
            close("means", &wide(&found.mean), &wide(&expected.mean), tolerance.moments)?;
            close("deviations", &spread(&found.variance), &spread(&expected.variance), tolerance.moments)?;
        }
        Ok(())
    }

    /// Calibrates on the first five images and embeds all, `chunk` at once.
    fn results(&self, chunk: usize) -> Result<(Calibration, Vec<u32>), String> {
        let chunk = NonZeroUsize::new(chunk).unwrap_or(NonZeroUsize::MIN);
        let (calibration, rows) = calibrate_and_embed(&mut *self.load()?, self.images()?, chunk)?;
        Ok((calibration, rows.into_iter().map(f32::to_bits).collect()))
    }

    fn chunks(&self) -> Result<(), String> {
        let whole = self.results(512)?;
        for chunk in [1, 2, 3, 6] {
            if self.results(chunk)? != whole {
                return Err(format!("chunks of {chunk} give other bits than all at once"));
            }
        }
        Ok(())
    }

    fn threads(&self) -> Result<(), String> {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(text)?;
            // An engine need not be shared between threads: the pool's one thread that runs this holds it alone.
            pool.in_place_scope(|_| self.results(4))
        };
        if run(1)? != run(3)? { Err("three threads give other bits than one".into()) } else { Ok(()) }
    }

    /// Measuring and embedding at once give what one after the other gives, whatever is held between norms.
    fn rows_of_the_calibration_set(&self) -> Result<(), String> {
        let (mut encoder, images) = (self.load()?, self.images()?);
        let chunk = NonZeroUsize::MIN.saturating_add(2);
        let calibration = encoder.calibrate(images, EPSILON, chunk).map_err(text)?;
        let expected: Vec<u32> = encoder.encode(images).map_err(text)?.into_iter().map(f32::to_bits).collect();
        for held in [0, u64::MAX] {
            let (mut encoder, mut rows) = (self.load()?, vec![1.0; 3]);
            encoder.hold_at_most(held);
            let found = encoder.calibrate_and_encode(images, EPSILON, chunk, &mut rows).map_err(text)?;
            if found != calibration {
                return Err(format!("measured with rows and {held} bytes held, the calibration has other bits"));
            }
            // An engine may leave the rows to be encoded.
            if !rows.is_empty() && !rows.iter().map(|value| value.to_bits()).eq(expected.iter().copied()) {
                return Err(format!("measured with rows and {held} bytes held, the embedding has other bits"));
            }
        }
        Ok(())
    }

    fn errors(&self) -> Result<(), String> {
        let (mut encoder, images) = (self.load()?, self.images()?);
        let expected = self.plan.input();
        let found = ImageShape { channels: expected.channels + 1, ..expected };
        let zeros = vec![0.0; found.elements().unwrap_or(0) as usize];
        let wrong = Images::new(found, &zeros).map_err(text)?;
        let is_wrong = |error: Option<EngineError>| matches!(error, Some(EngineError::WrongShape { expected: e, found: f }) if (e, f) == (expected, found));
        if !is_wrong(encoder.encode(wrong).err()) || !is_wrong(encoder.measure(wrong, EPSILON, NonZeroUsize::MIN).err())
        {
            return Err("images of another shape are accepted".into());
        }
        let none = Images::new(expected, &[]).map_err(text)?;
        if !matches!(encoder.measure(none, EPSILON, NonZeroUsize::MIN), Err(EngineError::EmptyCalibrationSet)) {
            return Err("an empty calibration set is accepted".into());
        }
        if !encoder.encode(none).map_err(text)?.is_empty() {
            return Err("no images have an embedding".into());
        }
        let before = encoder.encode(images).map_err(text)?;
        let mut calibration = calibrate(&self.prior, EPSILON, images);
        for (stage, norms) in calibration.stages.iter_mut().enumerate().rev() {
            let Some(norm) = norms.last_mut() else { continue };
            norm.mean.push(0.0);
            norm.variance.push(1.0);
            let error = encoder.freeze(Some((&calibration, EPSILON)));
            if !matches!(error, Err(EngineError::WrongCalibration { stage: found }) if found == stage) {
                return Err(format!("statistics with a channel too many in stage {stage} are accepted"));
            }
            break;
        }
        calibration.stages.push(Vec::new());
        if !matches!(encoder.freeze(Some((&calibration, EPSILON))), Err(EngineError::WrongCalibration { .. })) {
            return Err("statistics of another plan are accepted".into());
        }
        if encoder.encode(images).map_err(text)? != before {
            return Err("refused statistics have an effect".into());
        }
        Ok(())
    }
}

/// Calibrates on the first five images and embeds all.
fn calibrate_and_embed(
    encoder: &mut dyn Encode,
    images: Images<'_>,
    chunk: NonZeroUsize,
) -> Result<(Calibration, Vec<f32>), String> {
    let first = images.chunks(NonZeroUsize::MIN.saturating_add(4)).next().unwrap_or(images);
    let calibration = encoder.calibrate(first, EPSILON, chunk).map_err(text)?;
    let mut rows = Vec::new();
    let sink = |block: &[f32]| -> Result<(), EngineError> {
        rows.extend_from_slice(block);
        Ok(())
    };
    encoder.encode_in_chunks(images, chunk, sink).map_err(text)?;
    Ok((calibration, rows))
}

/// Variances that are small beside the mean would amplify rounding errors: they are raised, for both sides.
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
