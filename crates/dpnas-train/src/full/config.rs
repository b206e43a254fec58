//! The settings of full training and their published values.

use crate::{ProbeConfig, RateSchedule, SettingError};
use dpnas_seed::Seed;
use serde::{Deserialize, Serialize};

/// How encoder and classifier are trained together.
///
/// # Source
/// SPEC §7.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FullConfig {
    /// The settings shared with the linear classifier. `learning_rate` is that of the first epoch, drop-out applies to
    /// the input of the last layer, and the encoder's initial weights come with the prior instead of from `seed`.
    /// `threads` has no effect: an engine manages its own threads.
    pub probe: ProbeConfig,
    /// How the learning rate changes from epoch to epoch.
    pub schedule: RateSchedule,
    /// Added to the variance of batch normalisation; 0 switches normalisation off.
    pub norm_epsilon: f64,
}

impl FullConfig {
    /// The published settings, with a constant learning rate.
    ///
    /// # Source
    /// SPEC §6 (ε of the normalisation), §7.
    pub const fn paper(seed: Seed) -> Self {
        Self { probe: ProbeConfig::paper(seed), schedule: RateSchedule::Constant, norm_epsilon: 1e-4 }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting with a wrong value, in the order of the fields.
    pub fn check(&self) -> Result<(), SettingError> {
        self.probe.check()?;
        if self.norm_epsilon >= 0.0 && self.norm_epsilon.is_finite() {
            return Ok(());
        }
        Err(SettingError { setting: "norm_epsilon", value: self.norm_epsilon, expected: "finite and not negative" })
    }

    /// Every setting that decides a result, as one line of text.
    pub fn identity(&self) -> String {
        let Self { probe, schedule, norm_epsilon } = self;
        probe.identity_with(&format!(" {schedule}"), &format!(", norm epsilon {norm_epsilon:?}"))
    }
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
        for (setting, config) in [
            ("norm_epsilon", FullConfig { norm_epsilon: f64::INFINITY, ..paper() }),
            ("norm_epsilon", FullConfig { norm_epsilon: -1.0, ..paper() }),
            ("drop_out", FullConfig { probe: ProbeConfig { drop_out: 1.0, ..paper().probe }, ..paper() }),
        ] {
            assert_eq!(config.check().unwrap_err().setting, setting);
        }
    }

    #[test]
    fn the_identity_is_that_of_journals_and_checkpoints_of_before() {
        // Version 0.1.0 wrote this text. A run is resumed only under the identity that it began with.
        assert_eq!(
            FullConfig::paper(Seed(7)).identity(),
            "70 epochs of 128 at 0.001 constant, betas 0.9 0.999, epsilon 1e-8, decay 0.0, drop-out 0.0, norm epsilon \
             0.0001, stop below 0.15 after 10, seed 7"
        );
    }

    #[test]
    fn settings_go_through_serde_and_back_and_unknown_ones_are_refused() {
        let config =
            FullConfig { schedule: RateSchedule::Step { epochs: 30, factor: 0.1 }, ..FullConfig::paper(Seed(7)) };
        let text = serde_json::to_string(&config).unwrap();
        assert!(text.contains(r#""schedule":"step:30,0.1","norm-epsilon":0.0001"#), "{text}");
        assert_eq!(serde_json::from_str::<FullConfig>(&text).unwrap(), config);
        let error = serde_json::from_str::<FullConfig>(&text.replace("norm-epsilon", "norm-epsilom")).unwrap_err();
        assert!(error.to_string().contains("unknown field `norm-epsilom`"), "{error}");
    }
}
