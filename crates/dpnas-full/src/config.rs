//! The settings of full training, their published values, and the check that rejects wrong ones by name.

use crate::{RateSchedule, SettingError, TestSchedule};
use dpnas_seed::Seed;
use dpnas_train::ProbeConfig;
use std::num::NonZeroUsize;

/// How encoder and classifier are trained together.
///
/// # Source
/// SPEC §7.
#[derive(Clone, Debug, PartialEq)]
pub struct FullConfig {
    /// Passes over the training images.
    pub epochs: u32,
    /// Images in a mini-batch; the last one of an epoch may be smaller.
    pub batch_size: usize,
    /// Adam's step size in the first epoch.
    pub learning_rate: f32,
    /// How the step size changes from epoch to epoch.
    pub schedule: RateSchedule,
    /// Decay of Adam's mean of the gradient.
    pub beta_1: f32,
    /// Decay of Adam's mean of the squared gradient.
    pub beta_2: f32,
    /// Added to Adam's denominator.
    pub epsilon: f32,
    /// Factor of every trained number that is added to its gradient (L2 as in Adam, not decoupled).
    pub weight_decay: f32,
    /// Probability with which a number that enters the last layer is set to 0 in training; the others are scaled by
    /// `1 / (1 − drop_out)`.
    pub drop_out: f32,
    /// Added to the variance of batch normalisation; 0 switches normalisation off.
    pub norm_epsilon: f64,
    /// Mean of the last five validation accuracies, as a fraction, below which training stops early; 0 never stops.
    pub early_stopping_threshold: f64,
    /// Number of finished epochs after which that mean is looked at, once.
    pub early_stopping_epoch: u32,
    /// When the test set is classified.
    pub test: TestSchedule,
    /// The seed of the classifier's initial weights, shuffles and drop-out masks. The encoder's come with the prior.
    pub seed: Seed,
}

impl FullConfig {
    /// The published settings, with a constant learning rate.
    ///
    /// # Source
    /// SPEC §6 (ε of the normalisation), §7.
    pub const fn paper(seed: Seed) -> Self {
        Self::of(&ProbeConfig::paper(seed), 1e-4)
    }

    /// The settings of the linear classifier, with a constant learning rate and an ε of the normalisation.
    pub const fn of(probe: &ProbeConfig, norm_epsilon: f64) -> Self {
        Self {
            epochs: probe.epochs,
            batch_size: probe.batch_size,
            learning_rate: probe.learning_rate,
            schedule: RateSchedule::Constant,
            beta_1: probe.beta_1,
            beta_2: probe.beta_2,
            epsilon: probe.epsilon,
            weight_decay: probe.weight_decay,
            drop_out: probe.drop_out,
            norm_epsilon,
            early_stopping_threshold: probe.early_stopping_threshold,
            early_stopping_epoch: probe.early_stopping_epoch,
            test: probe.test,
            seed: probe.seed,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting with a wrong value: of those that the linear classifier has, too, in their order, then the ε of
    /// the normalisation.
    pub fn check(&self) -> Result<(), SettingError> {
        self.probe().check()?;
        if self.norm_epsilon >= 0.0 && self.norm_epsilon.is_finite() {
            return Ok(());
        }
        Err(SettingError { setting: "norm_epsilon", value: self.norm_epsilon, expected: "finite and not negative" })
    }

    /// What the linear classifier has in common with full training.
    fn probe(&self) -> ProbeConfig {
        ProbeConfig {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
            drop_out: self.drop_out,
            early_stopping_threshold: self.early_stopping_threshold,
            early_stopping_epoch: self.early_stopping_epoch,
            test: self.test,
            threads: NonZeroUsize::MIN,
            seed: self.seed,
        }
    }

    /// Everything that decides a result, as one line of text.
    pub fn identity(&self) -> String {
        format!(
            "{} epochs of {} at {:?} {}, betas {:?} {:?}, epsilon {:?}, decay {:?}, drop-out {:?}, norm epsilon {:?}, stop \
             below {:?} after {}, seed {}",
            self.epochs,
            self.batch_size,
            self.learning_rate,
            self.schedule,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            self.weight_decay,
            self.drop_out,
            self.norm_epsilon,
            self.early_stopping_threshold,
            self.early_stopping_epoch,
            self.seed.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_from_those_of_the_linear_classifier_and_go_back_unchanged() {
        let paper = ProbeConfig::paper(Seed(5));
        assert_eq!(FullConfig::paper(Seed(5)).probe(), paper);
        let other = ProbeConfig {
            epochs: 3,
            batch_size: 4,
            learning_rate: 0.5,
            beta_1: 0.6,
            beta_2: 0.7,
            epsilon: 0.8,
            weight_decay: 0.9,
            drop_out: 0.25,
            early_stopping_threshold: 0.35,
            early_stopping_epoch: 8,
            test: TestSchedule::EveryEpoch,
            ..paper
        };
        assert_eq!(FullConfig::of(&other, 0.125).probe(), other);
        assert_eq!(FullConfig::of(&other, 0.125).norm_epsilon, 0.125);
    }

    #[test]
    fn the_published_settings_are_right() {
        assert_eq!(FullConfig::paper(Seed(1)).check(), Ok(()));
    }

    #[test]
    fn names_the_setting_with_a_wrong_value() {
        let paper = || FullConfig::paper(Seed(1));
        let wrong = [
            ("epochs", FullConfig { epochs: 0, ..paper() }),
            ("batch_size", FullConfig { batch_size: 0, ..paper() }),
            ("learning_rate", FullConfig { learning_rate: f32::NAN, ..paper() }),
            ("learning_rate", FullConfig { learning_rate: 0.0, ..paper() }),
            ("beta_1", FullConfig { beta_1: 1.0, ..paper() }),
            ("beta_2", FullConfig { beta_2: -0.1, ..paper() }),
            ("epsilon", FullConfig { epsilon: 0.0, ..paper() }),
            ("weight_decay", FullConfig { weight_decay: -1.0, ..paper() }),
            ("drop_out", FullConfig { drop_out: 1.0, ..paper() }),
            ("norm_epsilon", FullConfig { norm_epsilon: f64::INFINITY, ..paper() }),
            ("early_stopping_threshold", FullConfig { early_stopping_threshold: 15.0, ..paper() }),
            ("early_stopping_epoch", FullConfig { early_stopping_epoch: 0, ..paper() }),
        ];
        for (setting, config) in wrong {
            assert_eq!(config.check().unwrap_err().setting, setting);
        }
        let message = FullConfig { drop_out: 1.5, ..paper() }.check().unwrap_err().to_string();
        assert_eq!(message, "setting `drop_out` is 1.5, but must be at least 0 and below 1");
    }
}
