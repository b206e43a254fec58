//! Scoring without the host: images, rows and classifier stay on the engine's device.

use crate::deep_prior::train::{completed, flow};
use crate::deep_prior::{encode, not_finite};
use crate::{DeepPrior, Head, Outcome, ScoreError};
use dpnas_grammar::Plan;
use dpnas_prior::{EncodeExt, EngineError, Measure, NormMode, Prior, Resident};
use dpnas_seed::Seed;
use dpnas_train::{DeviceSet, FitEngine, Fitted, TrainError};
use std::sync::{Arc, PoisonError};

impl DeepPrior {
    /// `None` if the settings, the architecture or the device's memory ask for rows on the host.
    pub(crate) fn score_on_device(&self, plan: &Plan, weight_seed: Seed) -> Result<Option<Outcome>, ScoreError> {
        let Some(fit_engine) = self.device_for(plan) else { return Ok(None) };
        let fitted = match self.fit_on_device(fit_engine, plan, weight_seed) {
            Ok(Some(fitted)) => Ok(fitted),
            Ok(None) => return Ok(None),
            Err(
                error @ (ScoreError::Engine(EngineError::OutOfMemory { .. })
                | ScoreError::Train(TrainError::OutOfMemory { .. })),
            ) => {
                // Room for the encoder, which now passes rows to the host.
                self.on_device.lock().unwrap_or_else(PoisonError::into_inner).take();
                tracing::warn!("{error}; the rows of {} go through the host", plan.net());
                return Ok(None);
            }
            Err(ScoreError::Draw(error)) => return Ok(Some(Outcome::OutOfMemory { reason: error.to_string() })),
            Err(ScoreError::NotFinite) => return Ok(Some(not_finite())),
            Err(error) => Err(error),
        };
        self.outcome_of_fit(fitted).map(Some)
    }

    /// The device, if it can train the classifier of a plan with these settings.
    fn device_for(&self, plan: &Plan) -> Option<&dyn FitEngine> {
        let config = &self.config;
        let features = usize::try_from(plan.features()).ok()?;
        let linear = config.head == Head::Adam && plan.net().linear_units().next().is_none();
        let frozen = config.norm.effective_mode() != NormMode::Reference;
        // Weights are drawn on the host.
        let drawn = Prior::bytes(plan, config.init) <= config.memory_budget;
        self.fit_engine.as_deref().filter(|device| {
            linear && frozen && drawn && device.can_fit(&config.probe, self.splits.classes(), features)
        })
    }

    fn fit_on_device(
        &self,
        fit_engine: &dyn FitEngine,
        plan: &Plan,
        weight_seed: Seed,
    ) -> Result<Option<Fitted>, ScoreError> {
        let Some(images) = self.images_on_device()? else { return Ok(None) };
        let mut encoder = self.engine.load(&Prior::draw(plan, self.config.init, weight_seed)?)?;
        if self.config.norm.effective_mode() == NormMode::Calibrated {
            let set = encode::images(&self.calibration.1)?;
            encoder.calibrate(&mut Measure::new(set, self.config.norm.epsilon, self.config.largest_chunk))?;
        }
        let embed = |images: &Resident| {
            self.check_stop()?;
            encoder.encode_resident(images)?.ok_or(ScoreError::NotFinite)
        };
        let [train, valid, test] = &*images;
        let rows = [embed(train)?, embed(valid)?, embed(test)?];
        drop(encoder);
        let sets = [&self.splits.train, &self.splits.valid, &self.splits.test];
        let set = |split: usize| DeviceSet { rows: rows[split].value(), labels: sets[split].labels() };
        let test = (!self.splits.test.is_empty()).then(|| set(2));
        let (probe, classes) = (&self.config.probe, self.splits.classes());
        let fitted = fit_engine.fit(probe, classes, set(0), set(1), test, &mut |_| flow(&self.stop))?;
        completed(fitted).map(Some)
    }

    /// The images of the three splits, copied to the device when they are needed; `None` if the engine keeps none.
    fn images_on_device(&self) -> Result<Option<Arc<[Resident; 3]>>, ScoreError> {
        let mut there = self.on_device.lock().unwrap_or_else(PoisonError::into_inner);
        if there.is_none() {
            let mut kept = Vec::new();
            for set in [&self.splits.train, &self.splits.valid, &self.splits.test] {
                kept.extend(self.engine.upload(encode::images(set)?)?);
            }
            *there = <[Resident; 3]>::try_from(kept).ok().map(Arc::new);
        }
        Ok(there.clone())
    }
}
