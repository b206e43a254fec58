//! The encoder as an engine on host slices.

use crate::encoder::Encoder;
use crate::measure::read;
use burn::tensor::backend::Backend;
use dpnas_grammar::Plan;
use dpnas_prior::{Calibration, Encode, Engine, EngineError, Images, Moments, Prior};
use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An engine on one device of a burn backend.
#[derive(Clone, Debug)]
pub struct BurnEngine<B: Backend> {
    name: String,
    device: B::Device,
}

impl<B: Backend> BurnEngine<B> {
    /// An engine under a name that says device and precision, for example `flex f32`.
    pub fn new(name: impl Into<String>, device: B::Device) -> Self {
        Self { name: name.into(), device }
    }
}

impl<B: Backend> Engine for BurnEngine<B> {
    fn name(&self) -> &str {
        &self.name
    }

    fn load(&self, prior: &Prior) -> Result<Box<dyn Encode>, EngineError> {
        let encoder = guarded(&self.name, || Ok(Encoder::<B>::new(prior, &self.device)))?;
        Ok(Box::new(Loaded { name: self.name.clone(), encoder }))
    }
}

struct Loaded<B: Backend> {
    name: String,
    encoder: Encoder<B>,
}

impl<B: Backend> Encode for Loaded<B> {
    fn plan(&self) -> &Plan {
        self.encoder.plan()
    }

    fn freeze(&mut self, statistics: Option<(&Calibration, f64)>) -> Result<(), EngineError> {
        guarded(&self.name, || self.encoder.freeze(statistics))
    }

    fn encode(&self, images: Images<'_>) -> Result<Vec<f32>, EngineError> {
        if images.shape() != self.plan().input() {
            return Err(EngineError::WrongShape { expected: self.plan().input(), found: images.shape() });
        }
        guarded(&self.name, || read(self.encoder.encode(self.encoder.upload(images))?.into_data()))
    }

    fn measure(&self, images: Images<'_>, epsilon: f64, chunk: NonZeroUsize) -> Result<Vec<Vec<Moments>>, EngineError> {
        guarded(&self.name, || self.encoder.measure(images, epsilon, chunk))
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
