//! Provided methods of every encoder: calibration, and sets of images larger than one chunk.

use crate::{Calibration, Encode, EngineError, Images, Measure, RunningStats};
use std::num::NonZeroUsize;

/// Provided methods of every encoder, on top of [`Encode`].
///
/// If the engine is out of memory, these methods halve the chunk and try again, down to one image. The caller keeps the
/// halved chunk for the next call. No number depends on the chunk.
pub trait EncodeExt: Encode {
    /// The embedding of images, computed at once.
    ///
    /// # Shapes
    /// `[n, channels, height, width]` → row-major `[n, features]`.
    ///
    /// # Errors
    /// As [`Encode::encode`].
    fn embed(&self, images: Images<'_>) -> Result<Vec<f32>, EngineError> {
        let mut rows = Vec::new();
        self.encode(images, &mut rows)?;
        Ok(rows)
    }

    /// Measures a calibration set and freezes the encoder with its biased variances. Requested rows are empty
    /// afterwards if the engine left them out.
    ///
    /// # Errors
    /// As [`Encode::measure`].
    ///
    /// # Source
    /// SPEC §6, `calibrated`.
    fn calibrate(&mut self, request: &mut Measure<'_>) -> Result<Calibration, EngineError> {
        let Measure { images, epsilon, held_bytes, .. } = *request;
        let moments = halving(&mut request.chunk, |chunk| {
            let mut rows = request.rows.as_deref_mut();
            rows.iter_mut().for_each(|rows| rows.clear());
            self.measure(Measure { images, epsilon, chunk, held_bytes, rows })
        })?;
        let calibration = Calibration::from_moments(&moments);
        self.freeze(Some((&calibration, epsilon)))?;
        Ok(calibration)
    }

    /// Embeds a set of images, `chunk` at once, and passes the rows of each chunk to `sink` in order.
    ///
    /// # Errors
    /// As [`Encode::encode`], or the first error of `sink`.
    fn encode_in_chunks<E: From<EngineError>>(
        &self,
        mut images: Images<'_>,
        chunk: &mut NonZeroUsize,
        mut sink: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rows = Vec::new();
        while !images.is_empty() {
            images = halving(chunk, |chunk| {
                let (block, rest) = images.split_at(chunk.get());
                self.encode(block, &mut rows)?;
                Ok(rest)
            })?;
            sink(&rows)?;
        }
        Ok(())
    }

    /// Same as [`encode_in_chunks`](Self::encode_in_chunks), but takes known rows from `known` and computes the others.
    ///
    /// # Errors
    /// As [`encode_in_chunks`](Self::encode_in_chunks).
    ///
    /// # Panics
    /// If an index is not that of an image, the indices do not ascend, or their number is not that of the rows.
    fn encode_with_known_rows<E: From<EngineError>>(
        &self,
        images: Images<'_>,
        chunk: &mut NonZeroUsize,
        known: KnownRows<'_>,
        mut sink: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        if known.indices.is_empty() {
            return self.encode_in_chunks(images, chunk, sink);
        }
        let features = usize::try_from(self.plan().features()).unwrap_or(usize::MAX);
        let mut known = known.checked(images.len(), features);
        let (mut unknown, mut next, mut gathered) = (known.others(images.len()), 0, Vec::new());
        loop {
            gathered.clear();
            unknown.by_ref().take(chunk.get()).for_each(|index| gathered.extend_from_slice(images.image(index)));
            if gathered.is_empty() {
                break;
            }
            self.encode_in_chunks(images.of_same_shape(&gathered), chunk, |mut rows| {
                while !rows.is_empty() {
                    next += known.take_from(next, features, &mut sink)?;
                    let until_known = known.indices.first().map_or(usize::MAX, |first| first - next);
                    let (now, later) = rows.split_at(until_known.min(rows.len() / features) * features);
                    sink(now)?;
                    (next, rows) = (next + now.len() / features, later);
                }
                Ok::<(), E>(())
            })?;
        }
        known.take_from(next, features, &mut sink)?;
        Ok(())
    }

    /// Embeds training images in order, each normalised by its own mini-batch of `batch_size` images, and leaves the
    /// encoder frozen with the running averages for validation and test images. Passes rows to `sink` in order.
    ///
    /// # Errors
    /// As [`Encode::measure`] and [`Encode::encode`], or the first error of `sink`.
    ///
    /// # Source
    /// SPEC §6, `reference`.
    fn encode_by_mini_batch<E: From<EngineError>>(
        &mut self,
        request: &mut Measure<'_>,
        batch_size: NonZeroUsize,
        mut sink: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<RunningStats, E> {
        let (epsilon, held_bytes) = (request.epsilon, request.held_bytes);
        let mut running = RunningStats::new();
        for images in request.images.chunks(batch_size) {
            let moments = halving(&mut request.chunk, |chunk| {
                self.measure(Measure { images, epsilon, chunk, held_bytes, rows: None })
            })?;
            running.update(&moments);
            self.freeze(Some((&Calibration::from_moments(&moments), epsilon)))?;
            self.encode_in_chunks(images, &mut request.chunk, &mut sink)?;
        }
        self.freeze(running.calibration().map(|calibration| (calibration, epsilon)))?;
        Ok(running)
    }
}

impl<T: Encode + ?Sized> EncodeExt for T {}

/// Computes with a chunk, and halves it while the engine is out of memory. Leaves the chunk that worked in `chunk`.
fn halving<T>(
    chunk: &mut NonZeroUsize,
    mut compute: impl FnMut(NonZeroUsize) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    loop {
        match (compute(*chunk), NonZeroUsize::new(chunk.get() / 2)) {
            (Err(EngineError::OutOfMemory { .. }), Some(half)) => *chunk = half,
            (result, _) => return result,
        }
    }
}

/// Rows that need not be computed: indices of images in ascending order, and `[indices, features]`.
#[derive(Clone, Copy, Debug)]
pub struct KnownRows<'a> {
    /// Indices of the images.
    pub indices: &'a [usize],
    /// Their rows.
    pub rows: &'a [f32],
}

impl<'a> KnownRows<'a> {
    fn checked(self, images: usize, features: usize) -> Self {
        assert!(self.rows.len() == self.indices.len().saturating_mul(features), "a row for each index");
        let is_image = self.indices.last().is_none_or(|last| *last < images);
        assert!(is_image && self.indices.is_sorted_by(|a, b| a < b), "an image for each index, in ascending order");
        self
    }

    /// Indices of the images whose rows are not known.
    fn others(&self, images: usize) -> impl Iterator<Item = usize> + use<'a> {
        let indices = self.indices;
        (0..images).filter(move |index| indices.binary_search(index).is_err())
    }

    /// Takes the rows of image `next` and the images that follow it without a gap, and returns their number.
    fn take_from<E>(
        &mut self,
        next: usize,
        features: usize,
        sink: &mut impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let count = self.indices.iter().zip(next..).take_while(|(index, next)| *index == next).count();
        if count > 0 {
            let (now, later) = self.rows.split_at(count * features);
            *self = Self { indices: &self.indices[count..], rows: later };
            sink(now)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Moments;
    use dpnas_grammar::{ImageShape, Net, Plan};
    use proptest::prelude::*;
    use std::sync::Mutex;

    /// A row is the image. Out of memory with more than `room` images at once.
    struct Copies {
        plan: Plan,
        room: usize,
        calls: Mutex<Vec<usize>>,
    }

    impl Copies {
        fn new(room: usize) -> Self {
            let plan = "[SM(2)]".parse::<Net>().unwrap().plan(ImageShape::square(2, 1)).unwrap();
            Self { plan, room, calls: Mutex::default() }
        }

        fn check_room(&self, images: usize) -> Result<(), EngineError> {
            self.calls.lock().unwrap().push(images);
            if images > self.room { Err(EngineError::from_report("copies", "out of memory")) } else { Ok(()) }
        }
    }

    impl Encode for Copies {
        fn plan(&self) -> &Plan {
            &self.plan
        }

        fn freeze(&mut self, _: Option<(&Calibration, f64)>) -> Result<(), EngineError> {
            Ok(())
        }

        fn encode(&self, images: Images<'_>, rows: &mut Vec<f32>) -> Result<(), EngineError> {
            self.check_room(images.len())?;
            assert!(images.pixels().iter().all(|value| *value >= 0.0), "this row was known");
            *rows = images.pixels().to_vec();
            Ok(())
        }

        fn measure(&self, request: Measure<'_>) -> Result<Vec<Vec<Moments>>, EngineError> {
            self.check_room(request.chunk.get())?;
            Ok(Vec::new())
        }
    }

    fn number(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    #[test]
    fn a_chunk_that_was_halved_stays_halved() {
        let (mut encoder, pixels) = (Copies::new(2), [0.5; 14]);
        let images = Images::new(encoder.plan.input(), &pixels).unwrap();
        let mut request = Measure::new(images, 0.1, number(8));
        encoder.calibrate(&mut request).unwrap();
        encoder.encode_in_chunks(images, &mut request.chunk, |_| Ok::<(), EngineError>(())).unwrap();
        assert_eq!(*encoder.calls.lock().unwrap(), [8, 4, 2, 2, 2, 2, 1]);
        encoder.calls.lock().unwrap().clear();
        let mut request = Measure::new(images, 0.1, number(4));
        encoder.encode_by_mini_batch(&mut request, number(4), |_| Ok::<(), EngineError>(())).unwrap();
        assert_eq!(*encoder.calls.lock().unwrap(), [4, 2, 2, 2, 2, 2, 1]);
        encoder.room = 0;
        assert!(matches!(encoder.calibrate(&mut request), Err(EngineError::OutOfMemory { .. })));
    }

    #[test]
    fn rows_that_an_engine_leaves_out_are_empty() {
        let mut encoder = Copies::new(9);
        let (images, mut rows) = (Images::new(encoder.plan.input(), &[0.5; 4]).unwrap(), vec![1.0]);
        let mut request = Measure { rows: Some(&mut rows), ..Measure::new(images, 0.1, number(2)) };
        encoder.calibrate(&mut request).unwrap();
        assert!(rows.is_empty());
    }

    proptest! {
        #[test]
        fn every_row_comes_once_and_in_order(
            known in prop::collection::vec(any::<bool>(), 0..40),
            chunk in 1usize..9,
            room in 1usize..9,
        ) {
            let indices: Vec<usize> = (0..known.len()).filter(|&index| known[index]).collect();
            // An image whose row is known must not be computed: it is negative here.
            let row = |index: usize| [index as f32, 0.5];
            let image = |index: usize| if known[index] { [-1.0, -1.0] } else { row(index) };
            let pixels: Vec<f32> = (0..known.len()).flat_map(image).collect();
            let rows: Vec<f32> = indices.iter().flat_map(|&index| row(index)).collect();
            let encoder = Copies::new(room);
            let (images, mut chunk) = (Images::new(encoder.plan.input(), &pixels).unwrap(), number(chunk));
            let (known_rows, mut found) = (KnownRows { indices: &indices, rows: &rows }, Vec::new());
            encoder
                .encode_with_known_rows(images, &mut chunk, known_rows, |rows| {
                    found.extend_from_slice(rows);
                    Ok::<(), EngineError>(())
                })
                .unwrap();
            prop_assert_eq!(found, (0..known.len()).flat_map(row).collect::<Vec<f32>>());
        }
    }
}
