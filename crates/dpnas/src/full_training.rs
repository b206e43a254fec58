//! The evaluator of conventional architecture search, which trains encoder and classifier together.

use crate::{Evaluate, EvaluateDraw, EvaluateError, Metrics, Outcome, ScoreError, Splits, WeightDraw};
use dpnas_cache::Key;
use dpnas_data::ImageSet;
use dpnas_grammar::Net;
use dpnas_prior::{EngineError, Images, WeightInit};
use dpnas_search::Candidate;
use dpnas_seed::Seed;
use dpnas_train::{
    Checkpoints, Epoch, Examples, FullConfig, FullError, TestSchedule, TrainEngine, TrainJob, TrainReport,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

/// Settings of full training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FullTrainingConfig {
    /// Initialisation of the encoder's weights.
    pub init: WeightInit,
    /// The seed of the initial weights.
    pub weight_seed: Seed,
    /// Whether all architectures share that seed.
    pub draw: WeightDraw,
    /// How encoder and classifier are trained.
    pub training: FullConfig,
    /// Limit of the bytes for weights, optimiser and activations. No reward depends on it, but a net that does not fit is out of memory.
    pub memory_budget: u64,
    /// Largest number of images computed at once. No result depends on it.
    pub largest_chunk: NonZeroUsize,
}

impl FullTrainingConfig {
    /// Kaiming-normal weights and the published training settings.
    pub fn paper(seed: Seed) -> Self {
        Self {
            init: WeightInit::KaimingNormal,
            weight_seed: seed,
            draw: WeightDraw::PerSearch,
            training: FullConfig::paper(seed),
            memory_budget: crate::DeepPriorConfig::MEMORY_BUDGET,
            largest_chunk: crate::DeepPriorConfig::LARGEST_CHUNK,
        }
    }
}

/// Called after each epoch of a training.
pub type EpochHook = Box<dyn Fn(&Net, &Epoch) + Send + Sync>;

/// Scores architectures by full training.
///
/// # Source
/// SPEC §7, `--full-training`.
pub struct FullTraining {
    engine: Box<dyn TrainEngine>,
    splits: Splits,
    config: FullTrainingConfig,
    checkpoints: Option<PathBuf>,
    on_epoch: Option<EpochHook>,
    stop: Arc<AtomicBool>,
}

impl fmt::Debug for FullTraining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("FullTraining");
        out.field("engine", &self.engine.name()).field("splits", &self.splits).field("config", &self.config);
        out.field("checkpoints", &self.checkpoints).finish_non_exhaustive()
    }
}

impl FullTraining {
    /// An evaluator without checkpoints.
    pub fn new(engine: Box<dyn TrainEngine>, splits: Splits, config: FullTrainingConfig) -> Self {
        Self { engine, splits, config, checkpoints: None, on_epoch: None, stop: Arc::default() }
    }

    /// Writes checkpoints below this folder, one folder per net and draw, and resumes trainings from them.
    #[must_use]
    pub fn with_checkpoints(mut self, folder: impl Into<PathBuf>) -> Self {
        self.checkpoints = Some(folder.into());
        self
    }

    /// Calls a hook after each epoch.
    #[must_use]
    pub fn with_epoch_hook(mut self, hook: impl Fn(&Net, &Epoch) + Send + Sync + 'static) -> Self {
        self.on_epoch = Some(Box::new(hook));
        self
    }

    /// Ends trainings early, between steps, once the flag is set.
    #[must_use]
    pub fn with_stop_flag(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Classifies the test images after every epoch instead of only after the last one.
    #[must_use]
    pub fn testing_every_epoch(mut self) -> Self {
        self.config.training.probe.test = TestSchedule::EveryEpoch;
        self
    }

    /// The images.
    pub fn splits(&self) -> &Splits {
        &self.splits
    }

    /// Name of the folder with the checkpoints of one net and draw, relative to the folder of all checkpoints.
    pub fn checkpoint_folder(net: &Net, weight_seed: Seed) -> String {
        let mut hash = Key::new().with("net", net).with("weight seed", weight_seed.0).hash();
        hash.truncate(16);
        hash
    }

    /// Scores one architecture with the initial weights of the configuration.
    ///
    /// # Errors
    /// [`ScoreError::Interrupted`] if the stop flag was set, another [`ScoreError`] if the training failed.
    pub fn score(&self, net: &Net) -> Result<Outcome, ScoreError> {
        self.evaluate_draw(net, self.config.draw.seed(self.config.weight_seed, net))
    }

    fn train(&self, net: &Net, weight_seed: Seed) -> Result<TrainReport, ScoreError> {
        let plan = net.plan(self.splits.train.shape())?;
        let [train, valid, test] = [&self.splits.train, &self.splits.valid, &self.splits.test].map(examples);
        let checkpoints = self.checkpoints.as_ref().map(|folder| Checkpoints {
            folder: folder.join(Self::checkpoint_folder(net, weight_seed)),
            data: self.splits.fingerprint().to_owned(),
        });
        let mut job = TrainJob {
            plan: &plan,
            init: self.config.init,
            weight_seed,
            config: &self.config.training,
            train: train?,
            valid: valid?,
            test: if self.splits.test.is_empty() { None } else { Some(test?) },
            memory_budget: self.config.memory_budget,
            largest_chunk: self.config.largest_chunk,
            checkpoints: checkpoints.as_ref(),
            stop: &self.stop,
        };
        let mut on_epoch = |epoch: &Epoch| {
            if let Some(hook) = &self.on_epoch {
                hook(net, epoch);
            }
        };
        // If the device is out of memory, half of the chunk may fit. No result depends on the chunk.
        loop {
            match self.engine.train(&job, &mut on_epoch) {
                Err(FullError::OutOfMemory { message, .. }) if job.largest_chunk.get() > 1 => {
                    job.largest_chunk = NonZeroUsize::new(job.largest_chunk.get() / 2).unwrap_or(NonZeroUsize::MIN);
                    tracing::warn!("{message}; going on with {net} and {} images at once", job.largest_chunk);
                }
                trained => return Ok(trained?),
            }
        }
    }

    /// Text that names every setting. `weights` describes the draw of the weights.
    fn describe(&self, weights: &str) -> String {
        // No `..`: a new setting does not compile until it is considered here.
        let FullTrainingConfig {
            init,
            weight_seed: _, // in `weights`
            draw: _,        // in `weights`
            training,
            memory_budget: _, // decides no result
            largest_chunk: _, // decides no result
        } = &self.config;
        format!(
            "full training v{} on {}; data {}; init {init} {weights}; {}",
            self.engine.version(),
            self.engine.name(),
            self.splits.fingerprint(),
            training.identity()
        )
    }
}

impl EvaluateDraw for FullTraining {
    fn evaluate_draw(&self, net: &Net, weight_seed: Seed) -> Result<Outcome, ScoreError> {
        outcome(self.train(net, weight_seed), self.config.training.probe.test)
    }

    /// The time of the last checkpoint.
    fn kept(&self, net: &Net, weight_seed: Seed) -> u64 {
        let folder = Self::checkpoint_folder(net, weight_seed);
        self.checkpoints.as_ref().map_or(0, |all| changed(&all.join(folder)))
    }

    fn check(&self, net: &Net) -> Result<(), ScoreError> {
        check_classes(net, &self.splits)?;
        net.plan(self.splits.train.shape())?;
        Ok(())
    }

    fn identity(&self) -> String {
        format!("{}; test {}", self.describe("by draw"), self.config.training.probe.test)
    }
}

impl Evaluate for FullTraining {
    fn identity(&self) -> String {
        self.describe(&self.config.draw.describe(self.config.weight_seed))
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        self.score(&candidate.net).map_err(|error| EvaluateError::of(&candidate.net, error))
    }

    fn kept(&self, candidate: &Candidate) -> u64 {
        let seed = self.config.draw.seed(self.config.weight_seed, &candidate.net);
        EvaluateDraw::kept(self, &candidate.net, seed)
    }
}

/// When the last name in a folder changed, in milliseconds since 1970; 0 without a folder.
fn changed(folder: &Path) -> u64 {
    let time = fs::metadata(folder).and_then(|folder| folder.modified()).ok();
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Refuses a net whose number of classes differs from that of the images.
pub(crate) fn check_classes(net: &Net, splits: &Splits) -> Result<(), ScoreError> {
    let (found, expected) = (net.classes(), splits.classes());
    if found == expected { Ok(()) } else { Err(ScoreError::Classes { net: net.to_string(), found, expected }) }
}

/// Converts the result of a training to an outcome. A training that diverges rejects its architecture.
pub(crate) fn outcome(trained: Result<TrainReport, ScoreError>, test: TestSchedule) -> Result<Outcome, ScoreError> {
    match trained {
        Ok(report) => Ok(Outcome::Scored(Metrics::of(&report, test))),
        Err(ScoreError::Full(
            error @ (FullError::OverBudget { .. } | FullError::Draw(_) | FullError::OutOfMemory { .. }),
        )) => Ok(Outcome::OutOfMemory { reason: error.to_string() }),
        Err(ScoreError::Full(error @ FullError::NotFinite { .. })) => {
            Ok(Outcome::Rejected { reason: error.to_string() })
        }
        Err(ScoreError::Full(FullError::Interrupted)) => Err(ScoreError::Interrupted),
        Err(error) => Err(error),
    }
}

fn examples(set: &ImageSet) -> Result<Examples<'_>, ScoreError> {
    let images = Images::new(set.shape(), set.pixels()).map_err(|error| {
        // An image set holds whole images, so this can only be an empty shape.
        ScoreError::Engine(EngineError::Device { engine: "host".to_owned(), message: error.to_string() })
    })?;
    Ok(Examples::new(images, set.labels())?)
}
