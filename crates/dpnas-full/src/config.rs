//! The settings of full training, their published values, and the check that rejects wrong ones by name.

use crate::RateSchedule;
use dpnas_seed::Seed;

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

/// When the test set is classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TestSchedule {
    /// Once, after the last epoch.
    AfterLast,
    /// After every epoch.
    EveryEpoch,
}

impl FullConfig {
    /// The published settings, with a constant learning rate.
    ///
    /// # Source
    /// SPEC §6 (ε of the normalisation), §7.
    pub const fn paper(seed: Seed) -> Self {
        Self {
            epochs: 70,
            batch_size: 128,
            learning_rate: 1e-3,
            schedule: RateSchedule::Constant,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            drop_out: 0.0,
            norm_epsilon: 1e-4,
            early_stopping_threshold: 0.15,
            early_stopping_epoch: 10,
            test: TestSchedule::AfterLast,
            seed,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting with a wrong value, in the order of the fields.
    pub fn check(&self) -> Result<(), SettingError> {
        let fraction = |x: f32| (0.0..1.0).contains(&x);
        let positive = |x: f32| x > 0.0 && x.is_finite();
        let not_negative = |x: f64| x >= 0.0 && x.is_finite();
        let rules: [(&'static str, f64, bool, &'static str); 11] = [
            ("epochs", self.epochs.into(), self.epochs > 0, "at least 1"),
            ("batch_size", self.batch_size as f64, self.batch_size > 0, "at least 1"),
            ("learning_rate", self.learning_rate.into(), positive(self.learning_rate), "positive and finite"),
            ("beta_1", self.beta_1.into(), fraction(self.beta_1), "at least 0 and below 1"),
            ("beta_2", self.beta_2.into(), fraction(self.beta_2), "at least 0 and below 1"),
            ("epsilon", self.epsilon.into(), positive(self.epsilon), "positive and finite"),
            (
                "weight_decay",
                self.weight_decay.into(),
                not_negative(self.weight_decay.into()),
                "finite and not negative",
            ),
            ("drop_out", self.drop_out.into(), fraction(self.drop_out), "at least 0 and below 1"),
            ("norm_epsilon", self.norm_epsilon, not_negative(self.norm_epsilon), "finite and not negative"),
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

/// A setting whose value makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("setting `{setting}` is {value}, but must be {expected}")]
pub struct SettingError {
    /// The field of [`FullConfig`].
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
