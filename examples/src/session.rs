//! From options to a search that is ready to run.

use crate::bytes;
use crate::device::Device;
use crate::earlier::earlier_run;
use crate::fetching;
use crate::options::{ClassifierOptions, DataOptions, EncoderOptions, ResourceOptions, SearchOptions, SpaceChoice};
use anyhow::{Context, Result, bail, ensure};
use dpnas::cache::Cache;
use dpnas::data::{ColorMode, DataSet, LoadConfig, Source};
use dpnas::prior::Normalisation;
use dpnas::search::{Schedule, Search, SearchSettings, Seed};
use dpnas::train::ProbeConfig;
use dpnas::{DeepPrior, DeepPriorConfig, EarlierRun, RunFolder, Splits};
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
    let size = match options.patch_size {
        Some(0) => bail!("patch-size: an image of 0 pixels holds nothing; use for example 28"),
        None if keeps_size => None,
        size => Some(size.unwrap_or(28)),
    };
    if let Source::Known(known) = source {
        fetching::fetch(known, options, stop)?;
    }
    let data_dir = options.data_dir.as_str().into();
    let data = source.load_with(&LoadConfig { data_dir, limit_train, size })?;
    let mode = if options.rgb { ColorMode::Rgb } else { ColorMode::Gray };
    Ok(data.to_channels(mode)?)
}

/// The groups of options that decide how a deep prior is scored.
#[derive(Clone, Copy, Debug)]
pub struct Scoring<'a> {
    /// The data set and the seed.
    pub data: &'a DataOptions,
    /// The encoder.
    pub encoder: &'a EncoderOptions,
    /// The classifier.
    pub classifier: &'a ClassifierOptions,
    /// Device, memory and folders.
    pub resources: &'a ResourceOptions,
}

/// The evaluator that scores deep priors.
///
/// # Errors
/// If an option has a wrong value, by its name, or the device or cache cannot be used.
pub fn deep_prior(options: Scoring<'_>, data: &DataSet, stop: Arc<AtomicBool>) -> Result<DeepPrior> {
    let Scoring { data: DataOptions { seed, .. }, encoder, classifier, resources } = options;
    let seed = Seed(*seed);
    let config = DeepPriorConfig {
        init: encoder.init.parse().context("init")?,
        weight_seed: seed,
        norm: normalisation(encoder)?,
        calibration_images: at_least_one("calibration-images", encoder.calibration_images)?,
        probe: probe(classifier, resources, seed)?,
        memory_budget: bytes::parse(&resources.memory_budget).context("memory-budget")?,
        largest_chunk: at_least_one("chunk", resources.chunk)?,
    };
    let engine = resources.device.parse::<Device>()?.engine()?;
    let splits = Splits::hold_out(data, seed)?;
    Ok(DeepPrior::new(engine, splits, config).with_cache(cache(resources)?).with_stop_flag(stop))
}

fn normalisation(options: &EncoderOptions) -> Result<Normalisation> {
    let epsilon = options.batch_norm;
    ensure!(
        epsilon >= 0.0 && epsilon.is_finite(),
        "batch-norm: {epsilon} is no ε; use for example 0.0001, or 0 for off"
    );
    Ok(Normalisation { mode: options.norm.parse().context("norm")?, epsilon })
}

fn probe(options: &ClassifierOptions, resources: &ResourceOptions, seed: Seed) -> Result<ProbeConfig> {
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
    ensure!(
        space.max_fc == 0,
        "space: max_fc = {}: fully connected layers are trained, and a deep prior is scored with the linear classifier \
         alone; use max_fc = 0",
        space.max_fc
    );
    let space = space.clone().check(data.train.shape(), data.train.classes())?;
    let settings = SearchSettings {
        q_learning_rate: walk.q_learning_rate,
        q_discount_factor: walk.q_discount_factor,
        initial_q: options.classifier.early_stopping_thresh,
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
    fn a_space_with_fully_connected_layers_is_refused() {
        let mut space = dpnas::search::SpaceSettings::small();
        space.max_fc = 1;
        let mut options = SearchOptions::default();
        options.search.space = SpaceChoice::Explicit(space);
        let error = search(&options, &data(&options.data).unwrap(), None).unwrap_err();
        assert!(error.to_string().contains("use max_fc = 0"), "{error}");
    }
}
