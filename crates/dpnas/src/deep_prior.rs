//! The evaluator that the project is about: embed once through a random encoder, train a linear classifier.

use crate::baseline::{pixel_baseline, train_embedding};
use crate::embedding::{Embedding, Embeddings, row_element};
use crate::full_training::{FULL_VERSION, check_classes, outcome};
use crate::head::Head;
use crate::memory_plan::{Demand, can_have};
use crate::{Evaluate, EvaluateError, MemoryPlan, Outcome, OverBudget, RowPlace, Score, ScoreDraw, Splits};
use dpnas_cache::{Cache, CacheError, Element};
use dpnas_data::ImageSet;
use dpnas_encoder::ENCODER_VERSION;
use dpnas_full::{FullError, TrainEngine};
use dpnas_grammar::{Net, Plan, PlanError};
use dpnas_prior::{DrawError, Engine, EngineError, Normalisation, WeightInit};
use dpnas_search::{Candidate, Seed};
use dpnas_train::{Fitted, ProbeConfig, TestSchedule, TrainError, fit_memory};
use half::bf16;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    trainer: Option<Box<dyn TrainEngine>>,
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
        Self { engine, trainer: None, splits, calibration, config, cache, scratch, stop }
    }

    /// Trains the fully connected layers of architectures that have some. They are no part of the frozen encoder.
    #[must_use]
    pub fn with_trainer(mut self, trainer: Box<dyn TrainEngine>) -> Self {
        self.trainer = Some(trainer);
        self
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

    /// Classifies the test images after every epoch, not after the last one alone.
    #[must_use]
    pub fn testing_every_epoch(mut self) -> Self {
        self.config.probe.test = TestSchedule::EveryEpoch;
        self
    }

    /// The images.
    pub fn splits(&self) -> &Splits {
        &self.splits
    }

    /// How architectures are scored.
    pub fn config(&self) -> &DeepPriorConfig {
        &self.config
    }

    /// Device and precision that compute embeddings.
    pub fn engine_name(&self) -> &str {
        self.engine.name()
    }

    /// Scores one architecture with the configured weight seed.
    ///
    /// # Errors
    /// [`ScoreError::Interrupted`] if the stop flag was set, or what failed.
    pub fn score(&self, net: &Net) -> Result<Outcome, ScoreError> {
        self.score_draw(net, self.config.weight_seed)
    }

    fn score_with(&self, net: &Net, weight_seed: Seed) -> Result<Outcome, ScoreError> {
        let plan = self.plan(net)?;
        let memory = match self.memory_plan(&plan) {
            Ok(memory) => memory,
            Err(over) => return Ok(Outcome::OutOfMemory { reason: over.to_string() }),
        };
        let embedding = match self.embeddings(memory, weight_seed).of(&plan) {
            Ok(embedding) => embedding,
            Err(ScoreError::Draw(error)) => return Ok(Outcome::OutOfMemory { reason: error.to_string() }),
            Err(ScoreError::Engine(error)) if error.is_out_of_memory() => {
                return Ok(Outcome::OutOfMemory { reason: error.to_string() });
            }
            Err(ScoreError::NotFinite) => return Ok(not_finite()),
            Err(error) => return Err(error),
        };
        if let (Some(_), Some(trainer)) = (net.linear_units().next(), &self.trainer) {
            return self.train_head(&**trainer, net, &embedding);
        }
        match train_embedding(&self.splits, &self.config.probe, &self.stop, &embedding) {
            Err(ScoreError::Train(TrainError::NotFinite { .. })) => Ok(not_finite()),
            Err(ScoreError::Train(error @ TrainError::OutOfMemory { .. })) => {
                Ok(Outcome::OutOfMemory { reason: error.to_string() })
            }
            Err(error) => Err(error),
            Ok(fitted) => Ok(Outcome::Scored(Score::of(&fitted.report, self.config.probe.test))),
        }
    }

    /// Trains the same linear classifier on raw pixels: what a deep prior has to beat.
    ///
    /// # Errors
    /// [`ScoreError::Interrupted`] if the stop flag was set, or what failed.
    pub fn pixel_baseline(&self) -> Result<Fitted, ScoreError> {
        pixel_baseline(&self.splits, &self.config.probe, &self.stop)
    }

    fn plan(&self, net: &Net) -> Result<Plan, ScoreError> {
        if net.linear_units().next().is_some() && self.trainer.is_none() {
            return Err(ScoreError::LinearLayers { net: net.to_string() });
        }
        Ok(net.plan(self.splits.train.shape())?)
    }

    /// How scoring an architecture shares the memory budget.
    ///
    /// # Errors
    /// [`OverBudget`] if it does not fit even one image at a time, which [`score`](Self::score) calls out of memory.
    pub fn memory_plan(&self, plan: &Plan) -> Result<MemoryPlan, OverBudget> {
        let Splits { train, valid, test, .. } = &self.splits;
        let features = usize::try_from(plan.features()).unwrap_or(usize::MAX);
        let element = row_element(&*self.engine, plan.net());
        let demand = Demand {
            engine: self.engine.memory(plan),
            fit: match element {
                Element::F32 => fit_memory::<f32>(&self.config.probe, self.splits.classes(), features),
                Element::Bf16 => fit_memory::<bf16>(&self.config.probe, self.splits.classes(), features),
            },
            features: plan.features(),
            element,
            images: (train.len() + valid.len() + test.len()) as u64,
            largest_chunk: self.config.largest_chunk,
        };
        let mut memory = MemoryPlan::new(self.config.memory_budget, &demand)?;
        memory.fit_to(&demand, can_have)?;
        Ok(memory)
    }

    pub(crate) fn embeddings(&self, memory: MemoryPlan, weight_seed: Seed) -> Embeddings<'_> {
        Embeddings {
            engine: &*self.engine,
            splits: &self.splits,
            calibration: &self.calibration,
            config: &self.config,
            weight_seed,
            cache: &self.cache,
            scratch: &self.scratch,
            stop: &self.stop,
            memory,
        }
    }

    fn train_head(&self, trainer: &dyn TrainEngine, net: &Net, embedding: &Embedding) -> Result<Outcome, ScoreError> {
        let [train, valid, test] = embedding.splits();
        // A net with fully connected layers has rows of `f32`.
        let rows = [train, valid, test].map(|rows| rows.values::<f32>().unwrap_or_default());
        let (budget, bytes) = (self.config.memory_budget, 4 * rows.map(<[f32]>::len).iter().sum::<usize>() as u64);
        if embedding.place() == RowPlace::File {
            let reason = format!(
                "fully connected layers are trained on rows in memory: these take {bytes} bytes, the memory budget is \
                 {budget} bytes"
            );
            return Ok(Outcome::OutOfMemory { reason });
        }
        let head = Head {
            trainer,
            splits: &self.splits,
            probe: &self.config.probe,
            norm: self.config.norm,
            memory_budget: budget.saturating_sub(bytes),
            largest_chunk: self.config.largest_chunk,
            stop: &self.stop,
        };
        outcome(head.train(net, train.columns(), rows), self.config.probe.test)
    }

    /// Names every setting; `weights` stands for the draw of the weights.
    fn describe(&self, weights: &str) -> String {
        let c = &self.config;
        let p = &c.probe;
        let head =
            self.trainer.as_ref().map_or_else(String::new, |it| format!("; heads v{FULL_VERSION} on {}", it.name()));
        format!(
            "deep prior v{ENCODER_VERSION} on {}; data {}; init {} {weights}; norm {} epsilon {:?} on {} images by seed {}; \
             classifier {} epochs of {} at {:?}, decay {:?}, drop-out {:?}, stop below {:?} after {}{head}",
            self.engine.name(),
            self.splits.fingerprint(),
            c.init,
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
    /// Not even one image fits the memory budget. [`DeepPrior::score`] makes an outcome of it.
    #[error("{net} does not fit the memory: {reason}")]
    OutOfMemory {
        /// The architecture.
        net: String,
        /// What it needs and what there is.
        reason: String,
    },
    /// The architecture tells apart another number of classes than the images have.
    #[error("{net} has {found} classes, the data set has {expected}: write SM({expected})")]
    Classes {
        /// The architecture.
        net: String,
        /// Its number of classes.
        found: u32,
        /// That of the data set.
        expected: u32,
    },
    /// The architecture has fully connected layers, and the evaluator nothing that trains them.
    #[error(
        "{net} has fully connected layers, and nothing was given that trains them: use `DeepPrior::with_trainer`, or leave FC out"
    )]
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
    /// The rows of an embedding could not be read back.
    #[error("the rows of the embedding cannot be read back from their file")]
    Rows(#[source] std::io::Error),
    /// The classifier could not be trained.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A network could not be trained.
    #[error(transparent)]
    Full(#[from] FullError),
}

impl ScoreDraw for DeepPrior {
    fn score_draw(&self, net: &Net, weight_seed: Seed) -> Result<Outcome, ScoreError> {
        self.score_with(net, weight_seed)
    }

    fn check(&self, net: &Net) -> Result<(), ScoreError> {
        check_classes(net, &self.splits)?;
        self.plan(net).map(drop)
    }

    fn identity(&self) -> String {
        format!("{}; test {}", self.describe("by draw"), self.config.probe.test)
    }
}

impl Evaluate for DeepPrior {
    fn identity(&self) -> String {
        self.describe(&format!("seed {}", self.config.weight_seed.0))
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        self.score(&candidate.net).map_err(|error| EvaluateError::of(&candidate.net, error))
    }
}
