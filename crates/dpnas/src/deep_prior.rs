//! The evaluator that the project is about: embed once through a random encoder, train a linear classifier.

use crate::embedding::{Embedding, Embeddings, FileRows};
use crate::memory_plan::{Demand, can_have};
use crate::{Evaluate, EvaluateError, MemoryPlan, Outcome, OverBudget, RowPlace, Score, Splits};
use dpnas_cache::{Cache, CacheError};
use dpnas_data::ImageSet;
use dpnas_encoder::ENCODER_VERSION;
use dpnas_grammar::{Net, Plan, PlanError};
use dpnas_prior::{DrawError, Engine, EngineError, Normalisation, WeightInit};
use dpnas_search::{Candidate, Seed};
use dpnas_train::{Fitted, Labelled, ProbeConfig, Stop, StoredRows, TrainError, fit, fit_memory, fit_stored};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How a deep prior is scored.
#[derive(Clone, Debug, PartialEq)]
pub struct DeepPriorConfig {
    /// How weights are drawn.
    pub init: WeightInit,
    /// The seed of the weights: one draw for the whole search, so nets share the weights of a common prefix.
    pub weight_seed: Seed,
    /// How activations are normalised.
    pub norm: Normalisation,
    /// Training images that calibrate the normalisation, at most: a random subset by the classifier's seed.
    pub calibration_images: NonZeroUsize,
    /// How the linear classifier is trained.
    pub probe: ProbeConfig,
    /// Bytes that scoring may take beside the images and the program: weights, activations, embedding and classifier. It
    /// decides how many images are computed at once and whether an embedding stays in memory. No result depends on it,
    /// but an architecture that does not fit it one image at a time is out of memory.
    pub memory_budget: u64,
    /// Images computed at once, at most. No result depends on it.
    pub largest_chunk: NonZeroUsize,
}

impl DeepPriorConfig {
    /// Calibration images by default. A channel's statistics over them are within a few percent of those over a large
    /// training set, even where a map is down to one pixel.
    pub const CALIBRATION_IMAGES: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
    /// The memory budget by default, in bytes: 2 GiB. [`auto_memory_budget`](crate::auto_memory_budget) goes by what is
    /// free.
    pub const MEMORY_BUDGET: u64 = 2 << 30;
    /// Images computed at once by default.
    pub const LARGEST_CHUNK: NonZeroUsize = NonZeroUsize::new(256).unwrap();

    /// Kaiming-normal weights, calibrated normalisation, and the published classifier.
    pub fn paper(seed: Seed) -> Self {
        Self {
            init: WeightInit::KaimingNormal,
            weight_seed: seed,
            norm: Normalisation::calibrated(),
            calibration_images: Self::CALIBRATION_IMAGES,
            probe: ProbeConfig::paper(seed),
            memory_budget: Self::MEMORY_BUDGET,
            largest_chunk: Self::LARGEST_CHUNK,
        }
    }
}

/// Scores architectures as deep priors.
///
/// # Source
/// SPEC §7.
pub struct DeepPrior {
    engine: Box<dyn Engine>,
    splits: Splits,
    calibration: ImageSet,
    config: DeepPriorConfig,
    cache: Cache,
    scratch: PathBuf,
    stop: Arc<AtomicBool>,
}

impl DeepPrior {
    /// An evaluator without a cache on disk.
    pub fn new(engine: Box<dyn Engine>, splits: Splits, config: DeepPriorConfig) -> Self {
        let calibration = splits.calibration_set(config.calibration_images.get(), config.probe.seed);
        let (cache, scratch, stop) = (Cache::in_memory(), std::env::temp_dir(), Arc::default());
        Self { engine, splits, calibration, config, cache, scratch, stop }
    }

    /// Keeps embeddings in a cache. No result depends on it.
    #[must_use]
    pub fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// The folder for embeddings that do not fit the memory while there is no cache on disk; by default the operating
    /// system's for temporary files. Files have no name there and are gone with the embedding.
    #[must_use]
    pub fn with_scratch_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch = folder.into();
        self
    }

    /// Ends evaluations early, between chunks and epochs, once the flag is set.
    #[must_use]
    pub fn with_stop_flag(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// The images.
    pub fn splits(&self) -> &Splits {
        &self.splits
    }

    /// Scores one architecture with the configured weight seed.
    ///
    /// # Errors
    /// [`ScoreError::Interrupted`] if the stop flag was set, or what failed.
    pub fn score(&self, net: &Net) -> Result<Outcome, ScoreError> {
        if net.linear_units().next().is_some() {
            return Err(ScoreError::LinearLayers { net: net.to_string() });
        }
        let plan = net.plan(self.splits.train.shape())?;
        let memory = match self.memory_plan(&plan) {
            Ok(memory) => memory,
            Err(over) => return Ok(Outcome::OutOfMemory { reason: over.to_string() }),
        };
        let embedding = match self.embeddings(memory).of(&plan) {
            Ok(embedding) => embedding,
            Err(ScoreError::Draw(error)) => return Ok(Outcome::OutOfMemory { reason: error.to_string() }),
            Err(ScoreError::Engine(error)) if error.is_out_of_memory() => {
                return Ok(Outcome::OutOfMemory { reason: error.to_string() });
            }
            Err(ScoreError::NotFinite) => return Ok(not_finite()),
            Err(error) => return Err(error),
        };
        match self.train(&embedding) {
            Err(ScoreError::Train(TrainError::NotFinite { .. })) => Ok(not_finite()),
            Err(ScoreError::Train(error @ TrainError::OutOfMemory { .. })) => {
                Ok(Outcome::OutOfMemory { reason: error.to_string() })
            }
            Err(error) => Err(error),
            Ok(fitted) => Ok(Outcome::Scored(Score {
                reward: fitted.report.reward(),
                train_flag: fitted.report.train_flag(),
                valid_accuracy: fitted.report.epochs.iter().map(|epoch| epoch.valid_accuracy).collect(),
                train_accuracy: fitted.report.epochs.iter().map(|epoch| epoch.train_accuracy).collect(),
                test_accuracy: fitted.report.test_accuracy,
            })),
        }
    }

    /// Trains the same linear classifier on raw pixels: what a deep prior has to beat.
    ///
    /// # Errors
    /// [`ScoreError::Interrupted`] if the stop flag was set, or what failed.
    pub fn pixel_baseline(&self) -> Result<Fitted, ScoreError> {
        let features = self.splits.train.shape().elements().unwrap_or(0) as usize;
        let rows = [&self.splits.train, &self.splits.valid, &self.splits.test].map(|set| set.pixels());
        self.train_rows(features, rows)
    }

    /// How scoring an architecture shares the memory budget.
    ///
    /// # Errors
    /// [`OverBudget`] if it does not fit even one image at a time, which [`score`](Self::score) calls out of memory.
    pub fn memory_plan(&self, plan: &Plan) -> Result<MemoryPlan, OverBudget> {
        let Splits { train, valid, test, .. } = &self.splits;
        let features = usize::try_from(plan.features()).unwrap_or(usize::MAX);
        let demand = Demand {
            engine: self.engine.memory(plan),
            fit: fit_memory(&self.config.probe, self.splits.classes(), features),
            features: plan.features(),
            images: (train.len() + valid.len() + test.len()) as u64,
            largest_chunk: self.config.largest_chunk,
        };
        let mut memory = MemoryPlan::new(self.config.memory_budget, &demand)?;
        memory.fit_to(&demand, can_have)?;
        Ok(memory)
    }

    fn embeddings(&self, memory: MemoryPlan) -> Embeddings<'_> {
        Embeddings {
            engine: &*self.engine,
            splits: &self.splits,
            calibration: &self.calibration,
            config: &self.config,
            cache: &self.cache,
            scratch: &self.scratch,
            stop: &self.stop,
            memory,
        }
    }

    fn train(&self, embedding: &Embedding) -> Result<Fitted, ScoreError> {
        let [train, valid, test] = embedding.splits();
        match embedding.place() {
            RowPlace::Memory => self.train_rows(train.columns(), [train.values(), valid.values(), test.values()]),
            RowPlace::File => {
                let [train_rows, valid_rows, test_rows] = [train, valid, test].map(FileRows);
                let Splits { train, valid, test, .. } = &self.splits;
                let train = StoredRows { rows: &train_rows, labels: train.labels() };
                let valid = StoredRows { rows: &valid_rows, labels: valid.labels() };
                let test = (!test.is_empty()).then_some(StoredRows { rows: &test_rows, labels: test.labels() });
                let (probe, classes, features) = (&self.config.probe, self.splits.classes(), train.rows.columns());
                completed(fit_stored(probe, classes, features, train, valid, test, &mut |_| self.flow())?)
            }
        }
    }

    fn train_rows(&self, features: usize, [train, valid, test]: [&[f32]; 3]) -> Result<Fitted, ScoreError> {
        let train = Labelled::new(train, self.splits.train.labels(), features)?;
        let valid = Labelled::new(valid, self.splits.valid.labels(), features)?;
        let test = match self.splits.test.is_empty() {
            true => None,
            false => Some(Labelled::new(test, self.splits.test.labels(), features)?),
        };
        let classes = self.splits.classes();
        completed(fit(&self.config.probe, classes, features, train, valid, test, &mut |_| self.flow())?)
    }

    fn flow(&self) -> ControlFlow<()> {
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn completed(fitted: Fitted) -> Result<Fitted, ScoreError> {
    if fitted.report.stop == Stop::Cancelled { Err(ScoreError::Interrupted) } else { Ok(fitted) }
}

fn not_finite() -> Outcome {
    Outcome::Rejected { reason: "the embedding has infinite or undefined values".to_owned() }
}

/// Why an architecture could not be scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// The stop flag was set.
    #[error("interrupted")]
    Interrupted,
    /// The embedding has infinite or undefined values.
    #[error("the embedding has infinite or undefined values")]
    NotFinite,
    /// The architecture has fully connected layers, which belong to the trained classifier.
    #[error("{net} has fully connected layers: a deep prior is scored with the linear classifier alone; leave FC out")]
    LinearLayers {
        /// The architecture.
        net: String,
    },
    /// The architecture does not fit the images.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The weights need more memory than there is.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// The encoder failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The embedding could not be stored or read.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The classifier could not be trained.
    #[error(transparent)]
    Train(#[from] TrainError),
}

impl Evaluate for DeepPrior {
    fn identity(&self) -> String {
        let c = &self.config;
        let p = &c.probe;
        format!(
            "deep prior v{ENCODER_VERSION} on {}; data {}; init {} seed {}; norm {} epsilon {:?} on {} images by seed {}; \
             classifier {} epochs of {} at {:?}, decay {:?}, drop-out {:?}, stop below {:?} after {}",
            self.engine.name(),
            self.splits.fingerprint(),
            c.init,
            c.weight_seed.0,
            c.norm.effective_mode(),
            c.norm.epsilon,
            c.calibration_images,
            p.seed.0,
            p.epochs,
            p.batch_size,
            p.learning_rate,
            p.weight_decay,
            p.drop_out,
            p.early_stopping_threshold,
            p.early_stopping_epoch,
        )
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        self.score(&candidate.net).map_err(|error| match error {
            ScoreError::Interrupted => EvaluateError::Interrupted,
            error => EvaluateError::Failed { net: candidate.net.to_string(), source: Box::new(error) },
        })
    }
}
