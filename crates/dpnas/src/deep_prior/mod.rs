//! The deep-prior evaluator: embed the images once with a frozen random encoder, then train a linear classifier.

pub(crate) mod config;
mod embed;
pub(crate) mod embedding;
mod encode;
#[cfg(feature = "heads")]
mod ensemble;
mod evaluate;
mod free_memory;
mod head;
pub(crate) mod identity;
mod linear_layers;
pub(crate) mod memory;
mod resident;
#[cfg(feature = "heads")]
mod ridge;
#[cfg(not(feature = "heads"))]
#[path = "no_ridge.rs"]
mod ridge;
mod scratch;
pub(crate) mod train;
mod weight_draw;

pub use config::DeepPriorConfig;
pub use embed::{EmbedError, StoreRequest};
#[cfg(feature = "heads")]
pub use ensemble::{EnsembleConfig, EnsembleDraws, EnsembleEvent, EnsembleStep};
pub use free_memory::{auto_memory_budget, default_budget, free_memory, resumed_memory_budget};
pub use head::{Head, UnknownHead};
pub use memory::{MemoryPlan, OverBudget, RowPlace};
pub use train::pixel_baseline;
pub use weight_draw::{UnknownWeightDraw, WeightDraw};

use crate::deep_prior::embedding::{Embedding, Embeddings, row_dtype};
use crate::deep_prior::linear_layers::{LinearLayers, head_memory};
use crate::deep_prior::memory::Demand;
use crate::deep_prior::ridge::{ridge_embedding, ridge_memory};
use crate::deep_prior::train::{flow, train_embedding};
use crate::full_training::outcome;
use crate::{EvaluateDraw, Metrics, Outcome, ScoreError, Splits};
use dpnas_cache::{Cache, DType};
use dpnas_data::ImageSet;
use dpnas_grammar::{Net, Plan};
use dpnas_prior::{Engine, EngineError, EngineMemory, Prior, Resident, can_have};
use dpnas_seed::Seed;
use dpnas_train::{Bf16, FitEngine, FitMemory, Fitted, TestSchedule, TrainEngine, TrainError, fit_memory};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// Scores architectures as deep priors.
///
/// # Source
/// SPEC §7.
pub struct DeepPrior {
    engine: Box<dyn Engine>,
    trainer: Option<Box<dyn TrainEngine>>,
    /// Trains classifiers where the engine keeps the rows.
    fit_engine: Option<Box<dyn FitEngine>>,
    /// The images on the engine's device, once they are needed and as long as there is room.
    on_device: Mutex<Option<Arc<[Resident; 3]>>>,
    splits: Splits,
    /// Calibration images of the normalisation, with their indices in the training set.
    calibration: (Vec<usize>, ImageSet),
    config: DeepPriorConfig,
    cache: Cache,
    scratch: PathBuf,
    stop: Arc<AtomicBool>,
}

impl fmt::Debug for DeepPrior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("DeepPrior");
        out.field("engine", &self.engine.name()).field("splits", &self.splits).field("config", &self.config);
        out.field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl DeepPrior {
    /// An evaluator without a cache on disk.
    pub fn new(engine: Box<dyn Engine>, splits: Splits, config: DeepPriorConfig) -> Self {
        let calibration = splits.calibration_indices(config.calibration_images.get(), config.probe.seed);
        let calibration = (calibration.clone(), splits.train.select(&calibration));
        Self {
            engine,
            trainer: None,
            fit_engine: None,
            on_device: Mutex::default(),
            splits,
            calibration,
            config,
            cache: Cache::in_memory(),
            scratch: scratch::scratch_folder(),
            stop: Arc::default(),
        }
    }

    /// Sets the engine that trains fully connected layers, which are not part of the frozen encoder. Without it,
    /// architectures with such layers are refused.
    #[must_use]
    pub fn with_trainer(mut self, trainer: Box<dyn TrainEngine>) -> Self {
        self.trainer = Some(trainer);
        self
    }

    /// Sets the device that trains classifiers on rows that the engine leaves there. Then rows do not pass through the
    /// host or the cache, as long as device and settings allow it.
    #[must_use]
    pub fn with_fit_engine(mut self, fit_engine: Box<dyn FitEngine>) -> Self {
        self.fit_engine = Some(fit_engine);
        self
    }

    /// Stores embeddings in a cache. No result depends on it.
    #[must_use]
    pub fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// Sets the folder for embeddings that do not fit the memory if there is no cache on disk. The default is the first
    /// of the system's temporary folder, `/var/tmp` and the working folder that is on a disk. The files have no name
    /// and disappear with the embedding.
    #[must_use]
    pub fn with_scratch_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch = folder.into();
        self
    }

    /// Ends evaluations early, between chunks or epochs, once the flag is set.
    #[must_use]
    pub fn with_stop_flag(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Classifies the test images after every epoch instead of only after the last one.
    #[must_use]
    pub fn testing_every_epoch(mut self) -> Self {
        self.config.probe.test = TestSchedule::EveryEpoch;
        self
    }

    /// The images.
    pub fn splits(&self) -> &Splits {
        &self.splits
    }

    /// The settings.
    pub fn config(&self) -> &DeepPriorConfig {
        &self.config
    }

    /// Name of the engine that computes embeddings.
    pub fn engine_name(&self) -> &str {
        self.engine.name()
    }

    /// Scores one architecture with the weights of the configuration.
    ///
    /// # Errors
    /// [`ScoreError::Interrupted`] if the stop flag was set, another [`ScoreError`] if scoring failed.
    pub fn score(&self, net: &Net) -> Result<Outcome, ScoreError> {
        self.evaluate_draw(net, self.config.draw.seed(self.config.weight_seed, net))
    }

    pub(crate) fn score_with(&self, net: &Net, weight_seed: Seed) -> Result<Outcome, ScoreError> {
        let plan = &self.plan(net)?;
        if let Some(outcome) = self.score_on_device(plan, weight_seed)? {
            return Ok(outcome);
        }
        let memory = match self.memory_plan(plan) {
            Ok(memory) => memory,
            Err(over) => return Ok(Outcome::OutOfMemory { reason: over.to_string() }),
        };
        let embedding = match self.embeddings(memory, weight_seed).of(plan) {
            Ok(embedding) => embedding,
            Err(ScoreError::Draw(error)) => return Ok(Outcome::OutOfMemory { reason: error.to_string() }),
            Err(ScoreError::Engine(error @ EngineError::OutOfMemory { .. })) => {
                return Ok(Outcome::OutOfMemory { reason: error.to_string() });
            }
            Err(ScoreError::NotFinite) => return Ok(not_finite()),
            Err(error) => return Err(error),
        };
        if let (Some(_), Some(trainer)) = (net.linear_units().next(), &self.trainer) {
            return self.train_head(&**trainer, net, &embedding);
        }
        if self.config.head == Head::Ridge {
            return match ridge_embedding(&self.splits, &self.stop, &embedding) {
                Err(ScoreError::NotFinite) => Ok(not_finite()),
                scored => Ok(Outcome::Scored(scored?)),
            };
        }
        self.outcome_of_fit(train_embedding(&self.splits, &self.config.probe, &self.stop, &embedding))
    }

    fn check_stop(&self) -> Result<(), ScoreError> {
        if flow(&self.stop).is_break() { Err(ScoreError::Interrupted) } else { Ok(()) }
    }

    fn outcome_of_fit(&self, fitted: Result<Fitted, ScoreError>) -> Result<Outcome, ScoreError> {
        match fitted {
            Err(ScoreError::Train(TrainError::NotFinite { .. })) => Ok(not_finite()),
            Err(ScoreError::Train(error @ TrainError::OutOfMemory { .. })) => {
                Ok(Outcome::OutOfMemory { reason: error.to_string() })
            }
            Err(error) => Err(error),
            Ok(fitted) => Ok(Outcome::Scored(Metrics::of(&fitted.report, self.config.probe.test))),
        }
    }

    /// Trains the same linear classifier on raw pixels, as a baseline for deep priors.
    ///
    /// # Errors
    /// [`ScoreError::Interrupted`] if the stop flag was set, another [`ScoreError`] if the training failed.
    pub fn pixel_baseline(&self) -> Result<Metrics, ScoreError> {
        pixel_baseline(&self.splits, self.config.head, &self.config.probe, &self.stop)
    }

    pub(crate) fn plan(&self, net: &Net) -> Result<Plan, ScoreError> {
        if net.linear_units().next().is_some() {
            let net = net.to_string();
            match (self.config.head, &self.trainer) {
                (Head::Ridge, _) => return Err(ScoreError::RidgeLayers { net }),
                (Head::Adam, None) => return Err(ScoreError::LinearLayers { net }),
                (Head::Adam, Some(_)) => {}
            }
        }
        Ok(net.plan(self.splits.train.shape())?)
    }

    /// The shares of the memory budget for scoring an architecture.
    ///
    /// # Errors
    /// [`OverBudget`] if not even one image fits. [`score`](Self::score) then returns [`Outcome::OutOfMemory`].
    pub fn memory_plan(&self, plan: &Plan) -> Result<MemoryPlan, OverBudget> {
        planned(self.config.memory_budget, &self.demand(plan))
    }

    /// An architecture's plan, and the shares of `budget` bytes for rows that pass by or are kept beside the budget.
    pub(crate) fn fitting_plan(&self, net: &Net, budget: u64) -> Result<(Plan, MemoryPlan), ScoreError> {
        let plan = net.plan(self.splits.train.shape())?;
        match planned(budget, &Demand { rows: Some(RowPlace::File), ..self.encoding(&plan) }) {
            Ok(memory) => Ok((plan, memory)),
            Err(over) => Err(ScoreError::OutOfMemory { net: net.to_string(), reason: over.to_string() }),
        }
    }

    fn demand(&self, plan: &Plan) -> Demand {
        let features = usize::try_from(plan.features()).unwrap_or(usize::MAX);
        let (probe, classes) = (&self.config.probe, self.splits.classes());
        let demand = self.encoding(plan);
        if let (Some(trainer), Some(_)) = (&self.trainer, plan.net().linear_units().next()) {
            let (config, head) = ((probe, self.config.norm), (plan.net(), plan.features()));
            let weights = head_memory(&**trainer, config, head, self.splits.train.len());
            return Demand { fit: FitMemory { weights, ..FitMemory::NONE }, rows: Some(RowPlace::Memory), ..demand };
        }
        let fit = match demand.dtype {
            _ if self.config.head == Head::Ridge => {
                FitMemory { weights: ridge_memory(&self.splits, features, probe.threads), ..FitMemory::NONE }
            }
            DType::F32 => fit_memory::<f32>(probe, classes, features),
            DType::Bf16 => fit_memory::<Bf16>(probe, classes, features),
        };
        Demand { fit, ..demand }
    }

    /// The demand of the rows alone. An encoder is drawn before it is loaded.
    fn encoding(&self, plan: &Plan) -> Demand {
        let Splits { train, valid, test, .. } = &self.splits;
        let EngineMemory { weights, image } = self.engine.memory(plan);
        Demand {
            engine: EngineMemory { weights: weights.max(Prior::bytes(plan, self.config.init)), image },
            fit: FitMemory::NONE,
            features: plan.features(),
            dtype: row_dtype(&*self.engine, plan.net()),
            images: (train.len() + valid.len() + test.len()) as u64,
            largest_chunk: self.engine.chunk(plan).unwrap_or(self.config.largest_chunk),
            rows: None,
        }
    }

    pub(crate) fn embeddings(&self, memory: MemoryPlan, weight_seed: Seed) -> Embeddings<'_> {
        Embeddings {
            engine: &*self.engine,
            splits: &self.splits,
            calibration: (&self.calibration.0, &self.calibration.1),
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
        // `row_dtype` is `f32` for nets with fully connected layers.
        let rows = [train, valid, test].map(|rows| rows.values::<f32>().unwrap_or_default());
        let bytes = 4 * rows.map(<[f32]>::len).iter().sum::<usize>() as u64;
        if embedding.place() == RowPlace::File {
            // The memory that was planned for the rows could not be had.
            let reason = format!("fully connected layers are trained on rows in memory: these take {bytes} bytes");
            return Ok(Outcome::OutOfMemory { reason });
        }
        let layers = LinearLayers {
            trainer,
            splits: &self.splits,
            probe: &self.config.probe,
            norm: self.config.norm,
            memory_budget: self.config.memory_budget.saturating_sub(bytes),
            largest_chunk: self.config.largest_chunk,
            stop: &self.stop,
        };
        outcome(layers.train(net, train.columns() as u64, rows), self.config.probe.test)
    }

    /// Text that names every setting that decides a result. `weights` describes the draw of the weights.
    pub(crate) fn describe(&self, weights: &str) -> String {
        // No `..`: a new setting does not compile until it is considered here.
        let DeepPriorConfig {
            init: _,               // in the rows
            weight_seed: _,        // in `weights`
            draw: _,               // in `weights`
            norm: _,               // in the rows
            calibration_images: _, // in the rows
            head,
            probe,
            memory_budget: _, // decides no result
            largest_chunk: _, // decides no result
        } = &self.config;
        let classifier = match head {
            Head::Adam => format!("classifier {}", probe.identity()),
            Head::Ridge => format!("{RIDGE}, seed {}", probe.seed.0),
        };
        let layers =
            self.trainer.as_ref().map_or_else(String::new, |it| format!("; heads v{} on {}", it.version(), it.name()));
        let device = if self.fit_engine.is_some() { " on the device" } else { "" };
        format!("{}; {classifier}{device}{layers}", self.describe_rows(weights))
    }

    /// Text that names every setting that decides an embedding.
    pub(crate) fn describe_rows(&self, weights: &str) -> String {
        let DeepPriorConfig { init, norm, calibration_images, .. } = &self.config;
        format!(
            "deep prior on {}; data {}; init {init} {weights}; norm {} epsilon {:?} on {calibration_images} images",
            self.engine.name(),
            self.splits.fingerprint(),
            norm.effective_mode(),
            norm.epsilon,
        )
    }
}

fn planned(budget: u64, demand: &Demand) -> Result<MemoryPlan, OverBudget> {
    let mut memory = MemoryPlan::new(budget, demand)?;
    memory.fit_to(demand, can_have)?;
    Ok(memory)
}

/// The ridge regression in an identity.
const RIDGE: &str = "ridge v3 by leave-one-out";

fn not_finite() -> Outcome {
    Outcome::Rejected { reason: "the embedding has infinite or undefined values".to_owned() }
}
