//! Embeddings for other code: block by block, or stored in a folder that other programs read.

use crate::MemoryPlan;
use crate::deep_prior::embedding::RowSink;
use crate::store::{EmbeddingWriter, Existing, Layout, Manifest, NormRecord, SplitName, StoreError};
use crate::{DeepPrior, ScoreError};
use dpnas_grammar::{Net, Plan};
use dpnas_prior::NormMode;
use dpnas_search::Seed;
use serde_json::Value;
use std::path::Path;

/// How an embedding is stored, and the fields of its manifest that the evaluator does not know.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreRequest {
    /// File layout.
    pub layout: Layout,
    /// What to do if the target exists.
    pub existing: Existing,
    /// Name of the data set.
    pub data: String,
    /// Every setting of the program; [`Value::Null`] if there is none.
    pub settings: Value,
}

impl StoreRequest {
    /// The layout `npy`, without replacing and without settings.
    pub fn npy(data: impl Into<String>) -> Self {
        Self { layout: Layout::Npy, existing: Existing::Refuse, data: data.into(), settings: Value::Null }
    }
}

/// Why an embedding could not be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// The embedding could not be computed, or the stop flag was set.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The embedding could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DeepPrior {
    /// Embeds the images of all splits with weights drawn from `weight_seed`. Passes blocks of rows to `sink`: first
    /// `train`, then `val`, then `test`, each in the order of [`splits`](Self::splits).
    ///
    /// Rows come from the cache or are computed and then dropped, so an embedding may be larger than the memory. Fully
    /// connected layers belong to the classifier and do not change the rows.
    ///
    /// # Shapes
    /// Each block is `[n, features]`, row-major.
    ///
    /// # Errors
    /// [`ScoreError::OutOfMemory`], [`ScoreError::NotFinite`], [`ScoreError::Interrupted`] if the stop flag was set,
    /// another [`ScoreError`] if the encoder failed, or the first error of `sink`.
    pub fn embed<E: From<ScoreError>>(
        &self,
        net: &Net,
        weight_seed: Seed,
        mut sink: impl FnMut(SplitName, &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.embed_within(self.config().memory_budget, net, weight_seed, &mut sink)
    }

    /// Embeds the images of all splits with weights drawn from `weight_seed` and stores the rows in the folder
    /// `target`, which appears complete or not at all. `on_rows` gets the number of rows of each block. Returns the
    /// manifest.
    ///
    /// # Errors
    /// As [`embed`](Self::embed) and [`EmbeddingWriter`].
    ///
    /// # Source
    /// SPEC §9.
    pub fn store_embedding(
        &self,
        net: &Net,
        weight_seed: Seed,
        target: &Path,
        request: &StoreRequest,
        on_rows: &mut dyn FnMut(usize),
    ) -> Result<Manifest, EmbedError> {
        let planned = self.fitting_plan(net, self.config().memory_budget)?;
        let splits = self.splits();
        let labels = [&splits.train, &splits.valid, &splits.test].map(|set| set.labels());
        let manifest = self.manifest(&planned.0, weight_seed, request);
        let features = manifest.features.max(1);
        let mut writer = EmbeddingWriter::create(target, manifest, labels, request.existing)?;
        self.embed_planned(planned, weight_seed, &mut |split, rows| {
            writer.push(split, rows)?;
            on_rows(rows.len() / features);
            Ok::<_, EmbedError>(())
        })?;
        Ok(writer.finish()?.0)
    }

    /// As [`embed`](Self::embed), within a budget of bytes that may be smaller than the configured one.
    pub(crate) fn embed_within<E: From<ScoreError>>(
        &self,
        budget: u64,
        net: &Net,
        weight_seed: Seed,
        sink: &mut RowSink<'_, E>,
    ) -> Result<(), E> {
        self.embed_planned(self.fitting_plan(net, budget)?, weight_seed, sink)
    }

    fn embed_planned<E: From<ScoreError>>(
        &self,
        (plan, memory): (Plan, MemoryPlan),
        weight_seed: Seed,
        sink: &mut RowSink<'_, E>,
    ) -> Result<(), E> {
        let mut failed = None;
        let streamed = self.embeddings(memory, weight_seed).stream(&plan, &mut |split, rows| {
            // End the stream like an interruption; the error of the sink is returned below.
            sink(split, rows).map_err(|error| {
                failed = Some(error);
                ScoreError::Interrupted
            })
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(streamed?),
        }
    }

    /// Whether a stored embedding has the rows that this evaluator would store for an architecture and a draw of its
    /// weights. Layout, data set name, settings and program do not matter.
    pub fn would_store(&self, net: &Net, weight_seed: Seed, manifest: &Manifest) -> bool {
        let Ok(plan) = net.plan(self.splits().train.shape()) else { return false };
        let settings = manifest.settings.clone();
        let request = StoreRequest { layout: manifest.layout, settings, ..StoreRequest::npy(&manifest.data) };
        let expected = self.manifest(&plan, weight_seed, &request);
        // What is in the files is not known before they are computed.
        let Manifest { rows, program, files, digest, .. } = manifest.clone();
        Manifest { rows, program, files, digest, ..expected } == *manifest
    }

    pub(crate) fn manifest(&self, plan: &Plan, weight_seed: Seed, request: &StoreRequest) -> Manifest {
        let config = self.config();
        let mode = config.norm.effective_mode();
        let image = plan.input();
        Manifest {
            layout: request.layout,
            features: usize::try_from(plan.features()).unwrap_or(usize::MAX),
            class_names: self.splits().train.class_names().to_vec(),
            weight_seed: weight_seed.0,
            init: config.init.to_string(),
            norm: NormRecord {
                mode: mode.to_string(),
                epsilon: config.norm.epsilon,
                calibration_images: (mode == NormMode::Calibrated).then_some(config.calibration_images.get()),
                batch_size: (mode == NormMode::Reference).then_some(config.probe.batch_size),
            },
            engine: self.engine_name().to_owned(),
            data: request.data.clone(),
            data_fingerprint: self.splits().fingerprint().to_owned(),
            image: [image.channels, image.height, image.width],
            settings: request.settings.clone(),
            ..Manifest::of(plan.net())
        }
    }
}
