//! Settings of the Q-learner.

use crate::Schedule;
use serde::{Deserialize, Serialize};

/// How a search explores and learns.
///
/// # Source
/// SPEC §5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Share α of each update, above 0 and at most 1.
    pub q_learning_rate: f64,
    /// Weight γ of later rewards, from 0 to 1.
    pub q_discount_factor: f64,
    /// Initial Q-value of every action, from 0 to 1.
    pub initial_q: f64,
    /// Updates after each recorded architecture: one with itself, the others drawn from the replay buffer; at least 1.
    pub replay_number: u32,
    /// The ε of each architecture.
    pub schedule: Schedule,
}

impl SearchSettings {
    /// The settings of the publication.
    pub fn paper() -> Self {
        Self {
            q_learning_rate: 0.1,
            q_discount_factor: 1.0,
            initial_q: 0.15,
            replay_number: 50,
            schedule: Schedule::paper(),
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// The first wrong value, by the name of its field.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let probabilities = [
            ("q_learning_rate", self.q_learning_rate),
            ("q_discount_factor", self.q_discount_factor),
            ("initial_q", self.initial_q),
        ];
        for (field, value) in probabilities {
            if !(0.0..=1.0).contains(&value) {
                return Err(SettingsError::OutOfRange { field, value });
            }
        }
        if self.q_learning_rate == 0.0 {
            return Err(SettingsError::LearnsNothing);
        }
        if self.replay_number == 0 {
            return Err(SettingsError::NoReplay);
        }
        Ok(())
    }
}

/// Why settings of the Q-learner are wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A number outside of 0..=1, or not a number.
    #[error("search settings: {field}: {value:?} is out of range; use a number from 0 to 1")]
    OutOfRange {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: f64,
    },
    /// The learning rate is 0.
    #[error("search settings: q_learning_rate: with 0 nothing is ever learnt; use a number above 0, for example 0.1")]
    LearnsNothing,
    /// The number of updates is 0.
    #[error("search settings: replay_number: 0 leaves even the new architecture unlearnt; use at least 1")]
    NoReplay,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_settings_are_valid() {
        assert_eq!(SearchSettings::paper().validate(), Ok(()));
    }

    #[test]
    fn wrong_values_are_rejected_by_name() {
        let paper = SearchSettings::paper;
        let cases = [
            (
                SearchSettings { q_learning_rate: f64::NAN, ..paper() },
                "search settings: q_learning_rate: NaN is out of range; use a number from 0 to 1",
            ),
            (
                SearchSettings { q_learning_rate: 0.0, ..paper() },
                "search settings: q_learning_rate: with 0 nothing is ever learnt; use a number above 0, for example 0.1",
            ),
            (
                SearchSettings { q_discount_factor: 1.5, ..paper() },
                "search settings: q_discount_factor: 1.5 is out of range; use a number from 0 to 1",
            ),
            (
                SearchSettings { initial_q: -0.1, ..paper() },
                "search settings: initial_q: -0.1 is out of range; use a number from 0 to 1",
            ),
            (
                SearchSettings { replay_number: 0, ..paper() },
                "search settings: replay_number: 0 leaves even the new architecture unlearnt; use at least 1",
            ),
        ];
        for (settings, message) in cases {
            assert_eq!(settings.validate().unwrap_err().to_string(), message);
        }
    }
}
