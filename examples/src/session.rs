//! From options to a search that is ready to run.

use crate::bytes;
use crate::device::Device;
use crate::earlier::earlier_run;
use crate::fetching;
use crate::options::{
    ClassifierOptions, DataOptions, EncoderOptions, ResourceOptions, SearchOptions, SpaceChoice, TrainingOptions,
};
use crate::progress::eprintln;
use anyhow::{Context, Result, bail, ensure};
use dpnas::cache::Cache;
use dpnas::data::{ColorMode, DataSet, LimitOrder, LoadConfig, Orientation, Source};
use dpnas::kernels::Precision;
use dpnas::prior::{NormMode, Normalisation};
use dpnas::search::{Schedule, Search, SearchSettings, Seed};
use dpnas::train::{FullConfig, ProbeConfig, RateSchedule};
use dpnas::{
    Candidate, DeepPrior, DeepPriorConfig, EarlierRun, Evaluate, EvaluateError, FullTraining, FullTrainingConfig,
    Outcome, RunFolder, Splits,
};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A data set as the options ask for it.
///
/// # Errors
/// If it cannot be fetched or read, or an option does not fit it.
pub fn data(options: &DataOptions) -> Result<DataSet> {
    data_until(options, &AtomicBool::new(false))
}

/// [`data`], but a download ends early when `stop` is set; what has arrived is kept.
///
/// # Errors
/// As [`data`], and if the download was stopped.
pub fn data_until(options: &DataOptions, stop: &AtomicBool) -> Result<DataSet> {
    let source: Source = options.dataset.parse()?;
    let keeps_size = matches!(source, Source::Digits | Source::Synthetic(_));
    let limit_train = match options.limit_train {
        0 => None,
        1 => bail!("limit-train: 1 leaves nothing to validate on; use at least 2, or 0 for all"),
        limit => Some(limit),
    };
    let limit_order = match options.limit_order.as_str() {
        "balanced" => LimitOrder::Balanced(Seed(options.seed)),
        "first" => LimitOrder::First,
        other => bail!("limit-order: `{other}` is unknown; use balanced or first"),
    };
    let orientation = if options.transpose { Orientation::Transposed } else { Orientation::Stored };
    let size = match options.patch_size {
        Some(0) => bail!("patch-size: an image of 0 pixels holds nothing; use for example 28"),
        None if keeps_size => None,
        size => Some(size.unwrap_or(28)),
    };
    if let Source::Known(known) = source {
        fetching::fetch(known, options, stop)?;
    }
    let data_dir = options.data_dir.as_str().into();
    let data = source.load_with(&LoadConfig { data_dir, limit_train, limit_order, orientation, size })?;
    data.warnings().iter().for_each(|warning| eprintln(&format!("warning: {warning}")));
    let mode = if options.rgb { ColorMode::Rgb } else { ColorMode::Gray };
    Ok(data.to_channels(mode)?)
}

/// The groups of options that decide how an architecture is scored.
#[derive(Clone, Copy, Debug)]
pub struct Scoring<'a> {
    /// The data set and the seed.
    pub data: &'a DataOptions,
    /// The encoder.
    pub encoder: &'a EncoderOptions,
    /// The classifier.
    pub classifier: &'a ClassifierOptions,
    /// Full training.
    pub training: &'a TrainingOptions,
    /// Device, memory and folders.
    pub resources: &'a ResourceOptions,
}

/// The evaluator that the options ask for.
pub enum Scorer {
    /// Frozen encoders.
    DeepPrior(Box<DeepPrior>),
    /// Full training.
    FullTraining(Box<FullTraining>),
}

impl Scorer {
    /// The images.
    pub fn splits(&self) -> &Splits {
        match self {
            Self::DeepPrior(scorer) => scorer.splits(),
            Self::FullTraining(scorer) => scorer.splits(),
        }
    }
}

impl Evaluate for Scorer {
    fn identity(&self) -> String {
        match self {
            Self::DeepPrior(scorer) => Evaluate::identity(&**scorer),
            Self::FullTraining(scorer) => Evaluate::identity(&**scorer),
        }
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        match self {
            Self::DeepPrior(scorer) => scorer.evaluate(candidate),
            Self::FullTraining(scorer) => scorer.evaluate(candidate),
        }
    }
}

/// The evaluator that the options ask for.
///
/// # Errors
/// If an option has a wrong value, by its name, or the device or cache cannot be used.
pub fn scorer(options: Scoring<'_>, data: &DataSet, stop: Arc<AtomicBool>) -> Result<Scorer> {
    check_precision(options.training, options.resources)?;
    match options.training.full_training {
        true => Ok(Scorer::FullTraining(Box::new(full_training(options, data, stop)?))),
        false => {
            check_learning_rate(options.training)?;
            Ok(Scorer::DeepPrior(Box::new(deep_prior(options, data, stop)?)))
        }
    }
}

/// Refuses a schedule of the learning rate that nothing would follow.
///
/// # Errors
/// If there is one without full training.
pub fn check_learning_rate(options: &TrainingOptions) -> Result<()> {
    ensure!(
        options.full_training || options.lr_schedule.parse() == Ok(RateSchedule::Constant),
        "lr-schedule: the linear classifier of a deep prior has a constant learning rate; add --full-training, or leave it \
         out"
    );
    Ok(())
}

/// The evaluator that trains architectures in full.
///
/// # Errors
/// If an option has a wrong value, by its name, or the device cannot be used.
pub fn full_training(options: Scoring<'_>, data: &DataSet, stop: Arc<AtomicBool>) -> Result<FullTraining> {
    let Scoring { data: DataOptions { seed, .. }, encoder, classifier, training, resources } = options;
    let seed = Seed(*seed);
    let norm = normalisation(encoder)?;
    let probe = probe(classifier, resources, seed)?;
    let config = FullTrainingConfig {
        init: encoder.init.parse().context("init")?,
        weight_seed: seed,
        draw: encoder.draw.parse().context("draw")?,
        training: FullConfig {
            probe,
            schedule: training.lr_schedule.parse().context("lr-schedule")?,
            norm_epsilon: if norm.effective_mode() == NormMode::None { 0.0 } else { norm.epsilon },
        },
        memory_budget: memory_budget(resources)?,
        largest_chunk: at_least_one("chunk", resources.chunk)?,
    };
    config.training.check()?;
    let engine = resources.device.parse::<Device>()?.trainer()?;
    Ok(FullTraining::new(engine, Splits::hold_out(data, seed)?, config).with_stop_flag(stop))
}

/// The evaluator that scores deep priors.
///
/// # Errors
/// If an option has a wrong value, by its name, or the device or cache cannot be used.
pub fn deep_prior(options: Scoring<'_>, data: &DataSet, stop: Arc<AtomicBool>) -> Result<DeepPrior> {
    let Scoring { data: DataOptions { seed, .. }, encoder, classifier, resources, .. } = options;
    let seed = Seed(*seed);
    let config = DeepPriorConfig {
        init: encoder.init.parse().context("init")?,
        weight_seed: seed,
        draw: encoder.draw.parse().context("draw")?,
        norm: normalisation(encoder)?,
        calibration_images: at_least_one("calibration-images", encoder.calibration_images)?,
        probe: probe(classifier, resources, seed)?,
        memory_budget: memory_budget(resources)?,
        largest_chunk: at_least_one("chunk", resources.chunk)?,
    };
    let device: Device = resources.device.parse()?;
    let engine = device.engine(precision(resources)?)?;
    let evaluator = DeepPrior::new(engine, Splits::hold_out(data, seed)?, config).with_cache(cache(resources)?);
    // Built without burn's CPU backends, device `cpu` trains no fully connected layers; scoring says so where it meets some.
    let evaluator = match device.trainer() {
        Ok(trainer) => evaluator.with_trainer(trainer),
        Err(_) => evaluator,
    };
    Ok(evaluator.with_scratch_folder(&resources.runs).with_stop_flag(stop))
}

fn precision(options: &ResourceOptions) -> Result<Precision> {
    options.precision.parse().context("precision")
}

/// Refuses a precision that nothing would compute in.
///
/// # Errors
/// If it is not f32 while networks are trained in full, or no precision at all.
pub fn check_precision(options: &TrainingOptions, resources: &ResourceOptions) -> Result<()> {
    ensure!(
        precision(resources)? == Precision::F32 || !options.full_training,
        "precision: full training computes in f32; leave --precision out"
    );
    Ok(())
}

/// Bytes of the memory budget.
///
/// # Errors
/// If it is neither a size nor `auto`.
pub fn memory_budget(options: &ResourceOptions) -> Result<u64> {
    match options.memory_budget.as_str() {
        bytes::AUTO => Ok(dpnas::auto_memory_budget()),
        size => bytes::parse(size).context("memory-budget"),
    }
}

fn normalisation(options: &EncoderOptions) -> Result<Normalisation> {
    let epsilon = options.batch_norm;
    ensure!(
        epsilon >= 0.0 && epsilon.is_finite(),
        "batch-norm: {epsilon} is no ε; use for example 0.0001, or 0 for off"
    );
    Ok(Normalisation { mode: options.norm.parse().context("norm")?, epsilon })
}

/// The settings of the linear classifier.
///
/// # Errors
/// If an option has a wrong value, by its name.
pub fn probe(options: &ClassifierOptions, resources: &ResourceOptions, seed: Seed) -> Result<ProbeConfig> {
    let config = ProbeConfig {
        epochs: options.epochs,
        batch_size: options.batch_size,
        learning_rate: options.learning_rate as f32,
        weight_decay: options.weight_decay as f32,
        drop_out: options.drop_out as f32,
        early_stopping_threshold: options.early_stopping_thresh,
        early_stopping_epoch: options.early_stopping_epoch,
        threads: threads(resources),
        ..ProbeConfig::paper(seed)
    };
    config.check()?;
    Ok(config)
}

fn threads(options: &ResourceOptions) -> NonZeroUsize {
    match NonZeroUsize::new(options.threads) {
        Some(threads) => threads,
        None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    }
}

/// The search core, and the earlier run that it continues; `resumed` is the folder of a run that goes on.
///
/// # Errors
/// If the space, the schedule or a setting of the learner is wrong, or the space does not fit the images or the earlier
/// run.
pub fn search(
    options: &SearchOptions,
    data: &DataSet,
    resumed: Option<&RunFolder>,
) -> Result<(Search, Option<EarlierRun>)> {
    let walk = &options.search;
    let SpaceChoice::Explicit(space) = &walk.space else {
        bail!("the space of a run is spelled out in its settings; `space` has only a name");
    };
    let space = space.clone().check(data.train.shape(), data.train.classes())?;
    let settings = SearchSettings {
        q_learning_rate: walk.q_learning_rate,
        q_discount_factor: walk.q_discount_factor,
        initial_q: walk.initial_q,
        replay_number: walk.replay_number,
        schedule: walk.schedule.parse::<Schedule>().context("schedule")?,
    };
    let seed = Seed(options.data.seed);
    match earlier_run(&options.earlier, resumed, &space)? {
        Some(earlier) => Ok((earlier.search(space, settings, seed)?, Some(earlier))),
        None => Ok((Search::new(space, settings, seed)?, None)),
    }
}

/// Gives rayon its threads; the first call of a process decides.
///
/// # Errors
/// If the threads cannot be started.
pub fn use_threads(options: &ResourceOptions) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(options.threads).build_global().context("cannot start the threads")
}

fn cache(options: &ResourceOptions) -> Result<Cache> {
    let budget = bytes::parse(&options.cache_budget).context("cache-budget")?;
    match options.cache.as_deref() {
        None | Some("off") => Ok(Cache::in_memory()),
        Some(_) if budget == 0 => Ok(Cache::in_memory()),
        Some(folder) => Ok(Cache::open(folder, budget)?),
    }
}

fn at_least_one(name: &str, value: usize) -> Result<NonZeroUsize> {
    NonZeroUsize::new(value).with_context(|| format!("{name}: 0 images are none; use at least 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(options: &DataOptions) -> String {
        data(options).unwrap().train.shape().to_string()
    }

    #[test]
    fn digits_keep_their_size_unless_a_patch_size_is_given() {
        let options = DataOptions { limit_train: 20, ..DataOptions::default() };
        assert_eq!(shape(&options), "1x8x8");
        let resized = DataOptions { patch_size: Some(12), rgb: true, ..options };
        assert_eq!(shape(&resized), "3x12x12");
    }

    #[test]
    fn a_schedule_of_the_learning_rate_without_full_training_is_refused() {
        let mut options = SearchOptions::default();
        let scorer = |options: &SearchOptions| {
            let data = data(&options.data).unwrap();
            scorer(options.scoring(), &data, Arc::default())
                .map(|scorer| scorer.identity())
                .map_err(|e| format!("{e:#}"))
        };
        options.data.limit_train = 40;
        options.resources.cache = Some("off".to_owned());
        options.training.lr_schedule = "cosine".to_owned();
        assert!(scorer(&options).unwrap_err().contains("add --full-training"));
        options.training.full_training = true;
        assert!(scorer(&options).unwrap().contains("full training v1 on flex f32"));
        options.training.lr_schedule = "linear".to_owned();
        assert!(scorer(&options).unwrap_err().contains("lr-schedule: `linear` is no learning-rate schedule"));
    }
}
