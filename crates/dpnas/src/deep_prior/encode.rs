//! Computing an embedding: weights are drawn, normalisation is calibrated, images are encoded.

use crate::deep_prior::embedding::{Embeddings, RowSink};
use crate::store::SplitName;
use crate::{ScoreError, Splits};
use dpnas_data::ImageSet;
use dpnas_grammar::Plan;
use dpnas_prior::{Encode, EngineError, Images, KnownRows, NormMode, Prior, embed_by_mini_batch};
use std::num::NonZeroUsize;

impl Embeddings<'_> {
    /// Computes the rows of all splits and hands them over chunk by chunk, in the order of [`SplitName::ALL`].
    pub(crate) fn encode(&self, plan: &Plan, sink: &mut RowSink<'_, ScoreError>) -> Result<(), ScoreError> {
        let prior = Prior::draw(plan, self.config.init, self.weight_seed)?;
        let mut encoder = self.engine.load(&prior)?;
        let (norm, chunk) = (self.config.norm, self.memory.chunk);
        let mut known = Vec::new();
        match norm.effective_mode() {
            NormMode::Calibrated => known = self.calibrate(&mut *encoder)?,
            NormMode::Reference => encoder.hold_at_most(self.memory.held),
            NormMode::None => {}
        }
        let Splits { train, valid, test, .. } = self.splits;
        for (split, set) in SplitName::ALL.into_iter().zip([train, valid, test]) {
            let set = images(set)?;
            let sink = |rows: &[f32]| {
                self.check(rows)?;
                sink(split, rows)
            };
            match (split, norm.effective_mode()) {
                (SplitName::Train, NormMode::Reference) => {
                    let batch = NonZeroUsize::new(self.config.probe.batch_size).unwrap_or(NonZeroUsize::MIN);
                    embed_by_mini_batch(&mut *encoder, set, batch, norm.epsilon, chunk, sink)?;
                }
                (SplitName::Train, _) if !known.is_empty() => {
                    let known = KnownRows { indices: self.calibration.0, rows: &known };
                    encoder.encode_others_in_chunks(set, chunk, known, sink)?;
                }
                _ => encoder.encode_in_chunks(set, chunk, sink)?,
            }
        }
        Ok(())
    }

    /// Calibrates, and gives the rows of the calibration set if they come with it and fit half of the memory that may be
    /// held.
    fn calibrate(&self, encoder: &mut dyn Encode) -> Result<Vec<f32>, ScoreError> {
        let (set, held) = (images(self.calibration.1)?, self.memory.held);
        let values = (set.len() as u64).saturating_mul(encoder.plan().features());
        let (bytes, mut rows) = (values.saturating_mul(4), Vec::new());
        let has_room = bytes <= held / 2;
        if has_room && usize::try_from(values).is_ok_and(|values| rows.try_reserve_exact(values).is_ok()) {
            encoder.hold_at_most(held - bytes);
            encoder.calibrate_and_encode(set, self.config.norm.epsilon, self.memory.chunk, &mut rows)?;
        } else {
            encoder.hold_at_most(held);
            encoder.calibrate(set, self.config.norm.epsilon, self.memory.chunk)?;
        }
        Ok(rows)
    }
}

fn images(set: &ImageSet) -> Result<Images<'_>, ScoreError> {
    Images::new(set.shape(), set.pixels()).map_err(|error| {
        // A set holds whole images; only an empty shape can get here.
        ScoreError::Engine(EngineError::Device { engine: "host".to_owned(), message: error.to_string() })
    })
}
