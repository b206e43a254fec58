//! The encoder as an engine on host slices.

use crate::encoder::Encoder;
use crate::measure::{HELD_BYTES, Work, read};
use burn::tensor::backend::Backend;
use dpnas_grammar::Plan;
use dpnas_prior::{Calibration, Encode, Engine, EngineError, Images, Moments, Prior};
use rayon::prelude::*;
use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An engine on one device of a burn backend.
#[derive(Clone, Debug)]
pub struct BurnEngine<B: Backend> {
    name: String,
    device: B::Device,
    split: Option<NonZeroUsize>,
}

impl<B: Backend> BurnEngine<B> {
    /// An engine under a name that says device and precision, for example `flex f32`.
    pub fn new(name: impl Into<String>, device: B::Device) -> Self {
        Self { name: name.into(), device, split: None }
    }

    /// Computes `images` at once on each of rayon's threads: for backends on a CPU, which leave many operations to one
    /// thread and stream large chunks through memory. No number depends on it.
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
        Ok(Box::new(Loaded { name: self.name.clone(), encoder, split: self.split, held_bytes: HELD_BYTES }))
    }
}

struct Loaded<B: Backend> {
    name: String,
    encoder: Encoder<B>,
    split: Option<NonZeroUsize>,
    held_bytes: u64,
}

impl<B: Backend> Loaded<B> {
    /// Images of a part, and parts that all threads together compute at once, of at most `images` images.
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

    fn encode_into(&self, images: Images<'_>, rows: &mut Vec<f32>) -> Result<(), EngineError> {
        if images.shape() != self.plan().input() {
            return Err(EngineError::WrongShape { expected: self.plan().input(), found: images.shape() });
        }
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

    fn measure(&self, images: Images<'_>, epsilon: f64, chunk: NonZeroUsize) -> Result<Vec<Vec<Moments>>, EngineError> {
        let (at_once, in_flight) = self.parts(chunk);
        let work = Work { at_once, in_flight, held_bytes: self.held_bytes };
        guarded(&self.name, || self.encoder.measure_on(images, epsilon, work))
    }

    fn hold_at_most(&mut self, bytes: u64) {
        self.held_bytes = bytes;
    }
}

/// Backends report a failing device by a panic: it becomes an error here.
///
/// Shapes are checked before burn is called, so an unwound call leaves no half-changed encoder behind: freezing replaces
/// the operations in one assignment, and the others change nothing.
fn guarded<T>(engine: &str, compute: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(compute))
        .unwrap_or_else(|panic| Err(EngineError::Device { engine: engine.to_owned(), message: message(&*panic) }))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no reason given").to_owned()
}
