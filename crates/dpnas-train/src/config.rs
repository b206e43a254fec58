//! The settings of one fit, their published values, and the check that rejects wrong ones by name.

use dpnas_seed::Seed;
use std::fmt;
use std::num::NonZeroUsize;

/// How the linear classifier is trained.
///
/// # Source
/// SPEC §7.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeConfig {
    /// Passes over the training rows.
    pub epochs: u32,
    /// Rows in a mini-batch; the last one of an epoch may be smaller.
    pub batch_size: usize,
    /// Adam's step size.
    pub learning_rate: f32,
    /// Decay of Adam's mean of the gradient.
    pub beta_1: f32,
    /// Decay of Adam's mean of the squared gradient.
    pub beta_2: f32,
    /// Added to Adam's denominator.
    pub epsilon: f32,
    /// Factor of the weights that is added to the gradient (L2 as in Adam, not decoupled).
    pub weight_decay: f32,
    /// Probability with which a feature of a training row is set to 0; the others are scaled by `1 / (1 − drop_out)`.
    pub drop_out: f32,
    /// Mean of the last five validation accuracies, as a fraction, below which training stops early; 0 never stops.
    pub early_stopping_threshold: f64,
    /// Number of finished epochs after which that mean is looked at, once.
    pub early_stopping_epoch: u32,
    /// When the test set is classified.
    pub test: TestSchedule,
    /// Threads to use at most; a small problem uses fewer. Decides nothing but the speed.
    pub threads: NonZeroUsize,
    /// The seed of initial weights, shuffles and drop-out masks.
    pub seed: Seed,
}

/// When the test set is classified.
///
/// Prints as `after the last epoch` and `after every epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TestSchedule {
    /// Once, after the last epoch.
    AfterLast,
    /// After every epoch.
    EveryEpoch,
}

impl fmt::Display for TestSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AfterLast => "after the last epoch",
            Self::EveryEpoch => "after every epoch",
        })
    }
}

impl ProbeConfig {
    /// The published settings, on one thread.
    ///
    /// # Source
    /// SPEC §7.
    pub const fn paper(seed: Seed) -> Self {
        Self {
            epochs: 70,
            batch_size: 128,
            learning_rate: 1e-3,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            drop_out: 0.0,
            early_stopping_threshold: 0.15,
            early_stopping_epoch: 10,
            test: TestSchedule::AfterLast,
            threads: NonZeroUsize::MIN,
            seed,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting with a wrong value, in the order of the fields.
    pub fn check(&self) -> Result<(), SettingError> {
        let fraction = |x: f32| (0.0..1.0).contains(&x);
        let rules: [(&'static str, f64, bool, &'static str); 10] = [
            ("epochs", self.epochs.into(), self.epochs > 0, "at least 1"),
            ("batch_size", self.batch_size as f64, self.batch_size > 0, "at least 1"),
            (
                "learning_rate",
                self.learning_rate.into(),
                self.learning_rate > 0.0 && self.learning_rate.is_finite(),
                "positive and finite",
            ),
            ("beta_1", self.beta_1.into(), fraction(self.beta_1), "at least 0 and below 1"),
            ("beta_2", self.beta_2.into(), fraction(self.beta_2), "at least 0 and below 1"),
            ("epsilon", self.epsilon.into(), self.epsilon > 0.0 && self.epsilon.is_finite(), "positive and finite"),
            (
                "weight_decay",
                self.weight_decay.into(),
                self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
                "finite and not negative",
            ),
            ("drop_out", self.drop_out.into(), fraction(self.drop_out), "at least 0 and below 1"),
            (
                "early_stopping_threshold",
                self.early_stopping_threshold,
                (0.0..=1.0).contains(&self.early_stopping_threshold),
                "a fraction from 0 to 1",
            ),
            ("early_stopping_epoch", self.early_stopping_epoch.into(), self.early_stopping_epoch > 0, "at least 1"),
        ];
        match rules.into_iter().find(|&(.., holds, _)| !holds) {
            Some((setting, value, _, expected)) => Err(SettingError { setting, value, expected }),
            None => Ok(()),
        }
    }
}

/// A setting whose value makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("setting `{setting}` is {value}, but must be {expected}")]
pub struct SettingError {
    /// The field of the configuration.
    pub setting: &'static str,
    /// Its value.
    pub value: f64,
    /// What it must be.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_settings_are_right() {
        assert_eq!(ProbeConfig::paper(Seed(1)).check(), Ok(()));
    }

    #[test]
    fn names_the_setting_with_a_wrong_value() {
        let paper = || ProbeConfig::paper(Seed(1));
        let wrong = [
            ("epochs", ProbeConfig { epochs: 0, ..paper() }),
            ("batch_size", ProbeConfig { batch_size: 0, ..paper() }),
            ("learning_rate", ProbeConfig { learning_rate: f32::NAN, ..paper() }),
            ("learning_rate", ProbeConfig { learning_rate: 0.0, ..paper() }),
            ("learning_rate", ProbeConfig { learning_rate: f32::INFINITY, ..paper() }),
            ("beta_1", ProbeConfig { beta_1: 1.0, ..paper() }),
            ("beta_2", ProbeConfig { beta_2: -0.1, ..paper() }),
            ("epsilon", ProbeConfig { epsilon: 0.0, ..paper() }),
            ("weight_decay", ProbeConfig { weight_decay: -1.0, ..paper() }),
            ("drop_out", ProbeConfig { drop_out: 1.0, ..paper() }),
            ("early_stopping_threshold", ProbeConfig { early_stopping_threshold: 15.0, ..paper() }),
            ("early_stopping_epoch", ProbeConfig { early_stopping_epoch: 0, ..paper() }),
        ];
        for (setting, config) in wrong {
            assert_eq!(config.check().unwrap_err().setting, setting);
        }
        let message = ProbeConfig { drop_out: 1.5, ..paper() }.check().unwrap_err().to_string();
        assert_eq!(message, "setting `drop_out` is 1.5, but must be at least 0 and below 1");
    }
}
