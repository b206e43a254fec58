//! The settings of one fit, their published values, and the check that rejects wrong ones by name.

use crate::Epoch;
use crate::report::mean_of_last_five;
use dpnas_seed::Seed;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroUsize;

/// How the linear classifier is trained.
///
/// # Source
/// SPEC §7.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
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
    /// Training stops early if the mean of the last five validation accuracies is below this fraction; 0 never stops.
    pub early_stopping_threshold: f64,
    /// The only epoch after which early stopping is checked.
    pub early_stopping_epoch: u32,
    /// When the test set is classified.
    pub test: TestSchedule,
    /// Most threads; a small problem uses fewer. No result depends on it.
    pub threads: NonZeroUsize,
    /// The seed of initial weights, shuffles and drop-out masks.
    pub seed: Seed,
}

/// When the test set is classified.
///
/// Prints as `after the last epoch` and `after every epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

    /// The training rows in the order of one epoch, counted from 0.
    pub fn epoch_order(&self, rows: usize, epoch: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..rows).collect();
        self.seed.stream("shuffle", u64::from(epoch)).rng().shuffle(&mut order);
        order
    }

    /// Whether training stops early after these epochs.
    ///
    /// # Source
    /// SPEC §7.
    pub fn stops_early(&self, epochs: &[Epoch]) -> bool {
        epochs.len() == self.early_stopping_epoch as usize && mean_of_last_five(epochs) < self.early_stopping_threshold
    }

    /// Every setting that decides a result, as one line of text.
    pub fn identity(&self) -> String {
        self.identity_with("", "")
    }

    /// The identity with further settings after the learning rate and after drop-out.
    pub(crate) fn identity_with(&self, after_rate: &str, after_drop_out: &str) -> String {
        // No `..`: a new field does not compile until it is considered here.
        let Self {
            epochs,
            batch_size,
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            weight_decay,
            drop_out,
            early_stopping_threshold,
            early_stopping_epoch,
            test: _,    // decides what is recorded, not what is computed
            threads: _, // decides no result
            seed: Seed(seed),
        } = self;
        format!(
            "{epochs} epochs of {batch_size} at {learning_rate:?}{after_rate}, betas {beta_1:?} {beta_2:?}, epsilon \
             {epsilon:?}, decay {weight_decay:?}, drop-out {drop_out:?}{after_drop_out}, stop below \
             {early_stopping_threshold:?} after {early_stopping_epoch}, seed {seed}"
        )
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

/// A setting with a wrong value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[error("setting `{setting}` is {value}, but must be {expected}")]
pub struct SettingError {
    /// The field of the configuration.
    pub setting: &'static str,
    /// Its value.
    pub value: f64,
    /// The rule for its value.
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
    fn the_identity_names_every_setting_that_decides_a_result() {
        let paper = || ProbeConfig::paper(Seed(7));
        assert_eq!(
            paper().identity(),
            "70 epochs of 128 at 0.001, betas 0.9 0.999, epsilon 1e-8, decay 0.0, drop-out 0.0, stop below 0.15 after 10, \
             seed 7"
        );
        let other = ProbeConfig { test: TestSchedule::EveryEpoch, threads: NonZeroUsize::MAX, ..paper() };
        assert_eq!(other.identity(), paper().identity());
        let different = [
            ProbeConfig { epochs: 1, ..paper() },
            ProbeConfig { batch_size: 1, ..paper() },
            ProbeConfig { learning_rate: 0.5, ..paper() },
            ProbeConfig { beta_1: 0.5, ..paper() },
            ProbeConfig { beta_2: 0.5, ..paper() },
            ProbeConfig { epsilon: 0.5, ..paper() },
            ProbeConfig { weight_decay: 0.5, ..paper() },
            ProbeConfig { drop_out: 0.5, ..paper() },
            ProbeConfig { early_stopping_threshold: 0.5, ..paper() },
            ProbeConfig { early_stopping_epoch: 5, ..paper() },
            ProbeConfig { seed: Seed(8), ..paper() },
        ];
        for config in different {
            assert_ne!(config.identity(), paper().identity(), "{config:?}");
        }
    }

    #[test]
    fn settings_go_through_serde_and_back_and_unknown_ones_are_refused() {
        let config = ProbeConfig { test: TestSchedule::EveryEpoch, ..ProbeConfig::paper(Seed(u64::MAX)) };
        let text = serde_json::to_string(&config).unwrap();
        assert!(text.contains(r#""early-stopping-epoch":10,"test":"every-epoch","threads":1"#), "{text}");
        assert_eq!(serde_json::from_str::<ProbeConfig>(&text).unwrap(), config);
        let error = serde_json::from_str::<ProbeConfig>(&text.replace("beta-1", "beta-3")).unwrap_err();
        assert!(error.to_string().contains("unknown field `beta-3`"), "{error}");
    }

    #[test]
    fn training_stops_after_one_epoch_alone_and_below_the_threshold_alone() {
        let epochs: Vec<Epoch> = [0.9, 0.1, 0.1, 0.1, 0.1, 0.2]
            .into_iter()
            .zip(1..)
            .map(|(valid_accuracy, index)| Epoch {
                index,
                train_accuracy: 0.0,
                train_loss: 0.0,
                valid_accuracy,
                test_accuracy: None,
            })
            .collect();
        let stops = |early_stopping_epoch, early_stopping_threshold| {
            let paper = ProbeConfig::paper(Seed(1));
            ProbeConfig { early_stopping_epoch, early_stopping_threshold, ..paper }.stops_early(&epochs)
        };
        assert!(stops(6, 0.15));
        assert!(!stops(6, 0.1) && !stops(5, 0.15) && !stops(7, 0.15));
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
