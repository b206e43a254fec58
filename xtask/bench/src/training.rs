//! Images a second of full training.

use crate::Workload;
use anyhow::{Context, Result, ensure};
use dpnas_grammar::Plan;
use dpnas_prior::{Images, WeightInit};
use dpnas_seed::Seed;
use dpnas_train::{Examples, FullConfig, ProbeConfig, TrainEngine, TrainJob};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

const SEED: Seed = Seed(1);
/// The validation images, which every epoch classifies.
const VALID: usize = 1;

/// The rate of one architecture.
#[derive(Clone, Debug, Serialize)]
pub struct TrainingRate {
    /// The architecture.
    pub net: String,
    /// The engine's name.
    pub engine: String,
    /// Training images a second: the median of the repetitions, each an epoch with mini-batches of 128. The first epoch is
    /// not counted.
    pub images_per_s: f64,
}

/// Trains a plan with the published settings on random images: time does not depend on their content.
///
/// # Errors
/// If the engine fails, or there are fewer images than validation takes.
pub fn training_rate(engine: &dyn TrainEngine, plan: &Plan, workload: &Workload) -> Result<TrainingRate> {
    let (count, shape) = (workload.images.get(), plan.input());
    ensure!(count > VALID, "more images than {VALID}");
    let values = shape.elements().context("images of a size that fits")? as usize;
    let mut pixels = vec![0.0; count * values];
    SEED.stream("bench images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    let labels: Vec<u32> = (0..count as u32).map(|image| image % plan.net().classes()).collect();
    let probe = ProbeConfig {
        epochs: 1 + workload.repeats.get() as u32,
        // It goes on, however little it learns.
        early_stopping_threshold: 0.0,
        ..ProbeConfig::paper(SEED)
    };
    let config = FullConfig { probe, ..FullConfig::paper(SEED) };
    let job = TrainJob {
        plan,
        init: WeightInit::KaimingNormal,
        weight_seed: SEED,
        config: &config,
        train: Examples::new(Images::new(shape, &pixels)?, &labels)?,
        valid: Examples::new(Images::new(shape, &pixels[..VALID * values])?, &labels[..VALID])?,
        test: None,
        memory_budget: u64::MAX,
        largest_chunk: NonZeroUsize::MAX,
        checkpoints: None,
        stop: &AtomicBool::new(false),
    };
    let (mut seconds, mut last) = (Vec::new(), Instant::now());
    engine.train(&job, &mut |_| {
        seconds.push(last.elapsed().as_secs_f64());
        last = Instant::now();
    })?;
    let counted = seconds.get_mut(1..).context("an epoch that counts")?;
    counted.sort_by(f64::total_cmp);
    Ok(TrainingRate {
        net: plan.net().to_string(),
        engine: engine.name().to_owned(),
        images_per_s: count as f64 / counted[counted.len() / 2],
    })
}
