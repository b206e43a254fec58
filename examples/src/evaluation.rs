//! From options to what scores architectures.

use crate::bytes;
use crate::options::{ClassifierOptions, DataOptions, EncoderOptions, ResourceOptions, Rung, TrainingOptions};
use anyhow::{Context, Result, ensure};
use dpnas::cache::Cache;
use dpnas::data::DataSet;
use dpnas::kernels::Precision;
use dpnas::prior::{NormMode, Normalisation};
use dpnas::search::Seed;
use dpnas::train::{FullConfig, ProbeConfig, RateSchedule};
use dpnas::{DeepPrior, DeepPriorConfig, Evaluate, FullTraining, FullTrainingConfig, Head, Splits};
use dpnas_devices::Device;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The options that decide how an architecture is scored.
#[derive(Clone, Copy, Debug)]
pub struct EvaluationOptions<'a> {
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

impl EvaluationOptions<'_> {
    /// Refuses options without effect.
    ///
    /// # Errors
    /// If there is a schedule of the learning rate without full training, or a precision other than f32 with it.
    pub fn check(&self) -> Result<()> {
        let full_training = self.training.full_training;
        ensure!(
            full_training || self.training.lr_schedule.parse() == Ok(RateSchedule::Constant),
            "lr-schedule: the linear classifier of a deep prior has a constant learning rate; add --full-training, or \
             leave it out"
        );
        let head = self.classifier.head()?;
        ensure!(
            !full_training || head == Head::Adam,
            "head: full training trains its classifier with Adam; leave --head out"
        );
        ensure!(
            !full_training || precision(self.resources)? == Precision::F32,
            "precision: full training computes in f32; leave --precision out"
        );
        Ok(())
    }
}

/// The evaluator of a search.
///
/// # Errors
/// If an option has a wrong value, by its name, or the device or cache cannot be used.
pub fn evaluator(options: EvaluationOptions<'_>, data: &DataSet, stop: Arc<AtomicBool>) -> Result<Box<dyn Evaluate>> {
    Ok(match options.training.full_training {
        true => Box::new(full_training(options, data, stop)?),
        false => Box::new(deep_prior(options, data, stop)?),
    })
}

/// The evaluator that trains architectures in full.
///
/// # Errors
/// If an option has a wrong value, by its name, or the device cannot be used.
pub fn full_training(options: EvaluationOptions<'_>, data: &DataSet, stop: Arc<AtomicBool>) -> Result<FullTraining> {
    let EvaluationOptions { data: DataOptions { seed, .. }, encoder, classifier, training, resources } = options;
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
pub fn deep_prior(options: EvaluationOptions<'_>, data: &DataSet, stop: Arc<AtomicBool>) -> Result<DeepPrior> {
    let EvaluationOptions { data: DataOptions { seed, .. }, encoder, classifier, resources, .. } = options;
    let seed = Seed(*seed);
    let config = DeepPriorConfig {
        init: encoder.init.parse().context("init")?,
        weight_seed: seed,
        draw: encoder.draw.parse().context("draw")?,
        norm: normalisation(encoder)?,
        calibration_images: at_least_one("calibration-images", encoder.calibration_images)?,
        head: classifier.head()?,
        probe: probe(classifier, resources, seed)?,
        memory_budget: memory_budget(resources)?,
        largest_chunk: at_least_one("chunk", resources.chunk)?,
    };
    let device: Device = resources.device.parse()?;
    let engines = device.engines(precision(resources)?)?;
    let evaluator =
        DeepPrior::new(engines.encoder, Splits::hold_out(data, seed)?, config).with_cache(cache(resources)?);
    let evaluator = match engines.classifier {
        Some(classifier) => evaluator.with_fit_engine(classifier),
        None => evaluator,
    };
    // Built without burn's GPU backend, device `cudnn` trains no fully connected layers; scoring says so where it meets some.
    let evaluator = match device.trainer() {
        Ok(trainer) => evaluator.with_trainer(trainer),
        Err(_) => evaluator,
    };
    Ok(evaluator.with_scratch_folder(&resources.runs).with_stop_flag(stop))
}

/// The evaluators of rungs, on balanced parts of the training images and without test images.
///
/// # Errors
/// As [`deep_prior`].
pub fn rungs(
    options: EvaluationOptions<'_>,
    rungs: &[Rung],
    data: &DataSet,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<DeepPrior>> {
    let evaluator = |rung: &Rung| {
        let classifier = ClassifierOptions { head: rung.head.to_string(), ..options.classifier.clone() };
        let mut part = data.limit_train(rung.images, Seed(options.data.seed));
        part.test = part.test.select(&[]);
        deep_prior(EvaluationOptions { classifier: &classifier, ..options }, &part, Arc::clone(stop))
    };
    rungs.iter().map(evaluator).collect()
}

fn precision(options: &ResourceOptions) -> Result<Precision> {
    options.precision.parse().context("precision")
}

/// Bytes of the memory budget. `auto:SIZE` is what settings keep of `auto`: SIZE, unless the machine or container has less.
///
/// # Errors
/// If it is neither a size nor `auto`.
pub fn memory_budget(options: &ResourceOptions) -> Result<u64> {
    let (chosen, size) = match options.memory_budget.strip_prefix(bytes::CHOSEN) {
        _ if options.memory_budget == bytes::AUTO => return Ok(dpnas::auto_memory_budget()),
        Some(size) => (true, size),
        None => (false, options.memory_budget.as_str()),
    };
    let bytes = bytes::parse(size).context("memory-budget")?;
    Ok(if chosen { dpnas::resumed_memory_budget(bytes) } else { bytes })
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

pub(crate) fn threads(options: &ResourceOptions) -> NonZeroUsize {
    match NonZeroUsize::new(options.threads) {
        Some(threads) => threads,
        None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    }
}

fn cache(options: &ResourceOptions) -> Result<Cache> {
    let budget = bytes::parse(&options.cache_budget).context("cache-budget")?;
    match options.cache_folder() {
        Some(folder) if budget > 0 => match Cache::open(&folder, budget) {
            // A shared folder that only others may write.
            Err(error) if folder.is_dir() => {
                tracing::warn!("{error}; going on without the cache");
                Ok(Cache::in_memory())
            }
            cache => Ok(cache?),
        },
        _ => Ok(Cache::in_memory()),
    }
}

fn at_least_one(name: &str, value: usize) -> Result<NonZeroUsize> {
    NonZeroUsize::new(value).with_context(|| format!("{name}: 0 images are none; use at least 1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Run, SearchOptions};

    #[test]
    fn a_schedule_of_the_learning_rate_without_full_training_is_refused() {
        let mut options = SearchOptions::default();
        options.data.limit_train = 40;
        options.resources.cache = Some("off".to_owned());
        options.training.lr_schedule = "cosine".to_owned();
        assert!(options.evaluation().check().unwrap_err().to_string().contains("add --full-training"));
        options.training.full_training = true;
        options.evaluation().check().unwrap();
        let data = crate::data::load(&options.data, &AtomicBool::new(false)).unwrap();
        let identity = |options: &SearchOptions| match evaluator(options.evaluation(), &data, Arc::default()) {
            Ok(evaluator) => evaluator.identity(),
            Err(error) => format!("{error:#}"),
        };
        assert!(identity(&options).contains("full training v1 on cpu "));
        options.training.lr_schedule = "linear".to_owned();
        assert!(identity(&options).contains("lr-schedule: `linear` is not a learning-rate schedule"));
    }

    #[test]
    fn a_budget_that_the_program_chose_shrinks_with_the_machine_and_a_given_one_does_not() {
        let budget = |text: &str| {
            memory_budget(&ResourceOptions { memory_budget: text.to_owned(), ..ResourceOptions::default() })
        };
        assert_eq!(budget("100MiB").unwrap(), 100 << 20);
        assert_eq!(budget("900TiB").unwrap(), 900 << 40);
        assert_eq!(budget("auto:1MiB").unwrap(), 1 << 20);
        // No machine has as much.
        assert!(budget("auto:900TiB").unwrap() < 900 << 40);
        assert!(budget("auto:").unwrap_err().to_string().contains("memory-budget"));
        let resolved = ResourceOptions::default().resolved();
        assert!(resolved.memory_budget.starts_with("auto:"), "{}", resolved.memory_budget);
        assert_eq!(resolved.clone().resolved(), resolved);
    }
}
