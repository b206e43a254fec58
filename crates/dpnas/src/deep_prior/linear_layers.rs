//! Training the fully connected layers and the classifier of an architecture on its frozen embedding.

use crate::{ScoreError, Splits};
use dpnas_grammar::{ImageShape, Layer, Net, Plan};
use dpnas_prior::{EngineError, Images, NormMode, Normalisation, WeightInit};
use dpnas_train::{Examples, FullConfig, ProbeConfig, RateSchedule, TrainEngine, TrainJob, TrainReport};
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

/// Settings and images for training the fully connected layers and the classifier of a net.
pub(crate) struct LinearLayers<'a> {
    pub(crate) trainer: &'a dyn TrainEngine,
    pub(crate) splits: &'a Splits,
    pub(crate) probe: &'a ProbeConfig,
    pub(crate) norm: Normalisation,
    pub(crate) memory_budget: u64,
    pub(crate) largest_chunk: NonZeroUsize,
    pub(crate) stop: &'a AtomicBool,
}

impl LinearLayers<'_> {
    /// Trains on the rows of the three splits, `[n, features]` each. The layers take a row as an image of one pixel.
    pub(crate) fn train(&self, net: &Net, features: u64, rows: [&[f32]; 3]) -> Result<TrainReport, ScoreError> {
        let host = |message: String| ScoreError::Engine(EngineError::Device { engine: "host".to_owned(), message });
        let plan = head_plan(net, features).ok_or_else(|| host(format!("{features} features are too many")))?;
        let labels = [&self.splits.train, &self.splits.valid, &self.splits.test].map(|set| set.labels());
        let examples = |split: usize| -> Result<Examples<'_>, ScoreError> {
            let images = Images::new(plan.input(), rows[split]).map_err(|error| host(error.to_string()))?;
            Ok(Examples::new(images, labels[split])?)
        };
        let job = TrainJob {
            plan: &plan,
            // Without an encoder the initialisation has no effect.
            init: WeightInit::KaimingNormal,
            weight_seed: self.probe.seed,
            config: &config(self.probe, self.norm),
            train: examples(0)?,
            valid: examples(1)?,
            test: if self.splits.test.is_empty() { None } else { Some(examples(2)?) },
            memory_budget: self.memory_budget,
            largest_chunk: self.largest_chunk,
            checkpoints: None,
            stop: self.stop,
        };
        Ok(self.trainer.train(&job, &mut |_| ())?)
    }
}

/// The layers after the encoder on a row as an image of one pixel; `None` if their numbers do not fit their types.
fn head_plan(net: &Net, features: u64) -> Option<Plan> {
    let input = ImageShape { channels: u32::try_from(features).ok()?, height: 1, width: 1 };
    let layers = net.linear_units().map(|units| Layer::Linear { units });
    let softmax = Layer::Softmax { classes: net.classes() };
    Net::new(layers.chain([softmax]).collect()).ok()?.plan(input).ok()
}

/// Least bytes that the training of the layers after the encoder takes on `images` training images, from their plan.
pub(crate) fn head_memory(
    trainer: &dyn TrainEngine,
    (probe, norm): (&ProbeConfig, Normalisation),
    (net, features): (&Net, u64),
    images: usize,
) -> u64 {
    head_plan(net, features).map_or(u64::MAX, |plan| trainer.memory(&plan, &config(probe, norm), images))
}

/// The settings of the linear classifier as settings of full training.
fn config(probe: &ProbeConfig, norm: Normalisation) -> FullConfig {
    let without = norm.effective_mode() == NormMode::None;
    FullConfig {
        probe: probe.clone(),
        schedule: RateSchedule::Constant,
        norm_epsilon: if without { 0.0 } else { norm.epsilon },
    }
}
