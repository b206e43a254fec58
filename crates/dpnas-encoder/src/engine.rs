//! The encoder as an engine on host slices.

use crate::encoder::Encoder;
use crate::measure::{HELD_BYTES, Work, read};
use burn::tensor::backend::Backend;
use dpnas_grammar::Plan;
use dpnas_prior::{Calibration, Encode, Engine, EngineError, Images, LeftMaps, Moments, Prior};
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

    /// The rows of some images, and the maps after each cut.
    fn encode_at_once(&self, images: Images<'_>, cuts: &[usize]) -> Result<(Vec<f32>, Vec<Vec<f32>>), EngineError> {
        guarded(&self.name, || {
            let (rows, left) = self.encoder.encode_leaving(self.encoder.upload(images), cuts)?;
            let left = left.into_iter().map(|map| read(map.into_data())).collect::<Result<_, _>>()?;
            Ok((read(rows.into_data())?, left))
        })
    }
}

impl<B: Backend> Encode for Loaded<B> {
    fn plan(&self) -> &Plan {
        self.encoder.plan()
    }

    fn freeze(&mut self, statistics: Option<(&Calibration, f64)>) -> Result<(), EngineError> {
        guarded(&self.name, || self.encoder.freeze(statistics))
    }

    fn encode_leaving(
        &self,
        images: Images<'_>,
        leave: &mut [LeftMaps<'_>],
        rows: &mut Vec<f32>,
    ) -> Result<(), EngineError> {
        if images.shape() != self.plan().input() {
            return Err(EngineError::WrongShape { expected: self.plan().input(), found: images.shape() });
        }
        let cuts: Vec<usize> = leave.iter().map(|left| left.stages).collect();
        let parts = match (self.split, NonZeroUsize::new(images.len())) {
            (Some(_), Some(len)) => {
                let parts: Vec<Images<'_>> = images.chunks(self.parts(len).0).collect();
                parts.into_par_iter().map(|part| self.encode_at_once(part, &cuts)).collect::<Result<Vec<_>, _>>()?
            }
            _ => vec![self.encode_at_once(images, &cuts)?],
        };
        rows.clear();
        let mut rooms: Vec<&mut [f32]> = leave.iter_mut().map(|left| &mut *left.maps).collect();
        for (part, left) in parts {
            rows.extend_from_slice(&part);
            assert!(left.len() == rooms.len(), "maps are left after stages of the plan, in their order");
            for (room, map) in rooms.iter_mut().zip(left) {
                let (now, later) = std::mem::take(room).split_at_mut(map.len());
                now.copy_from_slice(&map);
                *room = later;
            }
        }
        assert!(rooms.iter().all(|room| room.is_empty()), "room for the map of each image");
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
