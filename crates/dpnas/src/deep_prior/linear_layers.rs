//! Training the fully connected layers and the classifier of an architecture on its frozen embedding.

use crate::{ScoreError, Splits};
use dpnas_grammar::{ImageShape, Layer, Net};
use dpnas_prior::{EngineError, Images, NormMode, Normalisation, Prior, WeightInit};
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
    pub(crate) fn train(&self, net: &Net, features: usize, rows: [&[f32]; 3]) -> Result<TrainReport, ScoreError> {
        let host = |message: String| ScoreError::Engine(EngineError::Device { engine: "host".to_owned(), message });
        let channels = u32::try_from(features).map_err(|error| host(error.to_string()))?;
        let input = ImageShape { channels, height: 1, width: 1 };
        let layers = net.linear_units().map(|units| Layer::Linear { units });
        let softmax = Layer::Softmax { classes: self.splits.classes() };
        let head = Net::new(layers.chain([softmax]).collect()).map_err(|error| host(error.to_string()))?;
        let plan = head.plan(input)?;
        // Without an encoder the initialisation has no effect.
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, self.probe.seed)?;
        let labels = [&self.splits.train, &self.splits.valid, &self.splits.test].map(|set| set.labels());
        let examples = |split: usize| -> Result<Examples<'_>, ScoreError> {
            let images = Images::new(input, rows[split]).map_err(|error| host(error.to_string()))?;
            Ok(Examples::new(images, labels[split])?)
        };
        let job = TrainJob {
            prior: &prior,
            config: &self.config(),
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

    /// The settings of the linear classifier as settings of full training.
    fn config(&self) -> FullConfig {
        let without = self.norm.effective_mode() == NormMode::None;
        FullConfig {
            probe: self.probe.clone(),
            schedule: RateSchedule::Constant,
            norm_epsilon: if without { 0.0 } else { self.norm.epsilon },
        }
    }
}
