//! Computing an embedding: drawing the weights, calibrating the normalisation, encoding the images.

use crate::deep_prior::embedding::{Embeddings, RowSink};
use crate::store::SplitName;
use crate::{ScoreError, Splits};
use dpnas_data::ImageSet;
use dpnas_grammar::Plan;
use dpnas_prior::{Encode, EncodeExt, EngineError, Images, KnownRows, Measure, NormMode, Prior};
use std::num::NonZeroUsize;

impl Embeddings<'_> {
    /// Computes the rows of all splits and passes them to `sink` chunk by chunk, in the order of [`SplitName::ALL`].
    ///
    /// If the engine runs out of memory, the chunk is halved and stays so.
    pub(crate) fn encode(&mut self, plan: &Plan, sink: &mut RowSink<'_, ScoreError>) -> Result<(), ScoreError> {
        let (mut encoder, known) = self.encoder(plan)?;
        let (norm, Splits { train, valid, test, .. }) = (self.config.norm, self.splits);
        let indices = if known.is_empty() { &[] } else { self.calibration.0 };
        for (split, set) in SplitName::ALL.into_iter().zip([train, valid, test]) {
            let (mut chunk, set) = (self.memory.chunk, images(set)?);
            let sink = |rows: &[f32]| {
                self.check(rows)?;
                sink(split, rows)
            };
            match (split, norm.effective_mode()) {
                (SplitName::Train, NormMode::Reference) => {
                    let batch = NonZeroUsize::new(self.config.probe.batch_size).unwrap_or(NonZeroUsize::MIN);
                    let mut request = Measure::new(set, norm.epsilon, chunk);
                    request.held_bytes = self.memory.held;
                    encoder.encode_by_mini_batch(&mut request, batch, sink)?;
                    chunk = request.chunk;
                }
                (SplitName::Train, _) => {
                    let known = KnownRows { indices, rows: &known };
                    encoder.encode_with_known_rows(set, &mut chunk, known, sink)?;
                }
                _ => encoder.encode_in_chunks(set, &mut chunk, sink)?,
            }
            self.memory.chunk = chunk;
        }
        Ok(())
    }

    /// The encoder of a plan, calibrated if it is to be, and the rows of the calibration set as
    /// [`calibrate`](Self::calibrate) returns them.
    fn encoder(&mut self, plan: &Plan) -> Result<(Box<dyn Encode>, Vec<f32>), ScoreError> {
        // The drawn weights are dropped once the engine has them.
        let mut encoder = self.engine.load(&Prior::draw(plan, self.config.init, self.weight_seed)?)?;
        let known = match self.config.norm.effective_mode() {
            NormMode::Calibrated => self.calibrate(&mut *encoder)?,
            NormMode::Reference | NormMode::None => Vec::new(),
        };
        Ok((encoder, known))
    }

    /// Appends the rows of some sets of images under calibrated normalisation or none.
    #[cfg(feature = "heads")]
    pub(crate) fn encode_sets(&mut self, plan: &Plan, sets: &[ImageSet], all: &mut Vec<f32>) -> Result<(), ScoreError> {
        let (encoder, _) = self.encoder(plan)?;
        for set in sets {
            let mut chunk = self.memory.chunk;
            encoder.encode_in_chunks(images(set)?, &mut chunk, |rows| {
                self.check(rows)?;
                all.extend_from_slice(rows);
                Ok::<(), ScoreError>(())
            })?;
        }
        Ok(())
    }

    /// Calibrates the normalisation. Returns the rows of the calibration set if the encoder computes them on the way
    /// and they fit half of the memory for held activations.
    fn calibrate(&mut self, encoder: &mut dyn Encode) -> Result<Vec<f32>, ScoreError> {
        let (set, held) = (images(self.calibration.1)?, self.memory.held);
        let values = (set.len() as u64).saturating_mul(encoder.plan().features());
        let (bytes, mut rows) = (values.saturating_mul(4), Vec::new());
        let mut request = Measure::new(set, self.config.norm.epsilon, self.memory.chunk);
        request.held_bytes = held;
        let has_room = bytes <= held / 2;
        if has_room && usize::try_from(values).is_ok_and(|values| rows.try_reserve_exact(values).is_ok()) {
            request.held_bytes = held - bytes;
            request.rows = Some(&mut rows);
        }
        encoder.calibrate(&mut request)?;
        self.memory.chunk = request.chunk;
        Ok(rows)
    }
}

pub(crate) fn images(set: &ImageSet) -> Result<Images<'_>, ScoreError> {
    Images::new(set.shape(), set.pixels()).map_err(|error| {
        // An image set holds whole images, so this can only be an empty shape.
        ScoreError::Engine(EngineError::Device { engine: "host".to_owned(), message: error.to_string() })
    })
}
