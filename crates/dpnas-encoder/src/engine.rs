//! The encoder as an engine on host slices.

use crate::encoder::Encoder;
use crate::measure::read;
use burn::tensor::backend::Backend;
use dpnas_grammar::Plan;
use dpnas_prior::{Calibration, Encode, Engine, EngineError, Images, Measure, Moments, Prior};
use rayon::prelude::*;
use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Changes whenever an encoder's numbers change.
const VERSION: u32 = 2;

/// An engine on one device of a burn backend.
#[derive(Clone, Debug)]
pub struct BurnEngine<B: Backend> {
    name: String,
    device: B::Device,
    split: Option<NonZeroUsize>,
}

impl<B: Backend> BurnEngine<B> {
    /// An engine on a device. `name` is the device and its precision, for example `flex f32`; the engine adds its version.
    pub fn new(name: &str, device: B::Device) -> Self {
        Self { name: format!("{name} v{VERSION}"), device, split: None }
    }

    /// Computes at most `images` images at once on each of rayon's threads. It is for backends on a CPU, which run many
    /// operations on one thread and stream large chunks through memory. No number depends on it.
    #[must_use]
    pub fn split_over_threads(mut self, images: NonZeroUsize) -> Self {
        self.split = Some(images);
        self
    }
}

impl<B: Backend> Engine for BurnEngine<B> {
    fn name(&self) -> &str {
        &self.name
    }

    fn load(&self, prior: &Prior) -> Result<Box<dyn Encode>, EngineError> {
        let encoder = guarded(&self.name, || Ok(Encoder::<B>::new(prior, &self.device)))?;
        Ok(Box::new(Loaded { name: self.name.clone(), encoder, split: self.split }))
    }
}

struct Loaded<B: Backend> {
    name: String,
    encoder: Encoder<B>,
    split: Option<NonZeroUsize>,
}

impl<B: Backend> Loaded<B> {
    /// Images of a part, and parts in flight, which together are at most `images` images.
    fn parts(&self, images: NonZeroUsize) -> (NonZeroUsize, NonZeroUsize) {
        let Some(split) = self.split else { return (images, NonZeroUsize::MIN) };
        let even = images.get().div_ceil(rayon::current_num_threads());
        let part = NonZeroUsize::new(even.min(split.get())).unwrap_or(NonZeroUsize::MIN);
        (part, NonZeroUsize::new(images.get() / part).unwrap_or(NonZeroUsize::MIN))
    }

    fn encode_at_once(&self, images: Images<'_>) -> Result<Vec<f32>, EngineError> {
        guarded(&self.name, || read(self.encoder.encode(self.encoder.upload(images))?.into_data()))
    }
}

impl<B: Backend> Encode for Loaded<B> {
    fn plan(&self) -> &Plan {
        self.encoder.plan()
    }

    fn freeze(&mut self, statistics: Option<(&Calibration, f64)>) -> Result<(), EngineError> {
        guarded(&self.name, || self.encoder.freeze(statistics))
    }

    fn encode(&self, images: Images<'_>, rows: &mut Vec<f32>) -> Result<(), EngineError> {
        images.check(self.plan())?;
        rows.clear();
        match (self.split, NonZeroUsize::new(images.len())) {
            (Some(_), Some(len)) => {
                let parts: Vec<Images<'_>> = images.chunks(self.parts(len).0).collect();
                let parts: Result<Vec<_>, _> = parts.into_par_iter().map(|part| self.encode_at_once(part)).collect();
                parts?.iter().for_each(|part| rows.extend_from_slice(part));
            }
            _ => rows.extend(self.encode_at_once(images)?),
        }
        Ok(())
    }

    fn measure(&self, mut request: Measure<'_>) -> Result<Vec<Vec<Moments>>, EngineError> {
        let (part, in_flight) = self.parts(request.chunk);
        request.chunk = part;
        guarded(&self.name, || self.encoder.measure_in_flight(&request, in_flight))
    }
}

/// Turns a panic into an error: backends report a failing device by a panic.
///
/// Shapes are checked before burn is called, and freezing replaces the operations in one assignment, so an unwound call
/// leaves no half-changed encoder behind.
fn guarded<T>(engine: &str, compute: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(compute))
        .unwrap_or_else(|panic| Err(EngineError::from_report(engine, message(&*panic))))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no reason given")
}
