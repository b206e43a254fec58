//! The result of a training: one record for each epoch, how it ended, and the reward.

use serde::{Deserialize, Serialize};

/// The record of one epoch; accuracies are fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Number of the epoch, from 1.
    pub index: u32,
    /// Accuracy on the training rows, each classified before the step of its own mini-batch.
    pub train_accuracy: f64,
    /// Mean cross-entropy of the training rows, in nats, each computed before the step of its own mini-batch.
    pub train_loss: f64,
    /// Accuracy on the validation rows after the epoch.
    pub valid_accuracy: f64,
    /// Accuracy on the test rows after the epoch, if they were classified.
    pub test_accuracy: Option<f64>,
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stop {
    /// All epochs were run.
    Completed,
    /// The validation accuracy was below the threshold of early stopping.
    EarlyStopped {
        /// The last epoch that was run, from 1.
        epoch: u32,
    },
    /// The caller's hook asked to end before the last epoch.
    Cancelled,
}

/// The epochs and the end of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrainReport {
    /// One record for each epoch, including those before a resumption.
    pub epochs: Vec<Epoch>,
    /// How the training ended.
    pub stop: Stop,
    /// Accuracy on the test rows after the last epoch, as a fraction; 0 without test rows, and 0 unless all epochs were
    /// run.
    pub test_accuracy: f64,
}

impl TrainReport {
    /// The report of these epochs.
    pub fn of(epochs: Vec<Epoch>, stop: Stop) -> Self {
        let last = epochs.last().and_then(|epoch| epoch.test_accuracy).unwrap_or(0.0);
        let test_accuracy = if stop == Stop::Completed { last } else { 0.0 };
        Self { epochs, stop, test_accuracy }
    }

    /// The mean of the last five validation accuracies, or of all of them if there are fewer, as a fraction.
    ///
    /// # Source
    /// SPEC §7.
    pub fn reward(&self) -> f64 {
        mean_of_last_five(&self.epochs)
    }

    /// False after early stopping, true otherwise.
    pub fn train_flag(&self) -> bool {
        !matches!(self.stop, Stop::EarlyStopped { .. })
    }

    /// The highest validation accuracy, as a fraction; 0 if no epoch was run.
    pub fn best_valid(&self) -> f64 {
        self.epochs.iter().fold(0.0, |best, epoch| epoch.valid_accuracy.max(best))
    }
}

pub(crate) fn mean_of_last_five(epochs: &[Epoch]) -> f64 {
    let last = &epochs[epochs.len().saturating_sub(5)..];
    match last.len() {
        0 => 0.0,
        n => last.iter().map(|epoch| epoch.valid_accuracy).sum::<f64>() / n as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(valid: &[f64], stop: Stop) -> TrainReport {
        let epoch = |(i, &valid_accuracy): (usize, &f64)| Epoch {
            index: i as u32 + 1,
            train_accuracy: 0.0,
            train_loss: 0.0,
            valid_accuracy,
            test_accuracy: Some(0.5),
        };
        TrainReport::of(valid.iter().enumerate().map(epoch).collect(), stop)
    }

    #[test]
    fn the_reward_is_the_mean_of_the_last_five_validation_accuracies() {
        let seven = report(&[1.0, 1.0, 0.5, 0.25, 0.5, 0.75, 0.5], Stop::Completed);
        assert_eq!(seven.reward(), 0.5);
        assert_eq!(seven.best_valid(), 1.0);
        assert_eq!(report(&[0.25, 0.75], Stop::Completed).reward(), 0.5);
        assert_eq!(report(&[], Stop::Cancelled).reward(), 0.0);
    }

    #[test]
    fn only_a_completed_training_has_a_test_accuracy() {
        assert_eq!(report(&[0.1], Stop::Completed).test_accuracy, 0.5);
        assert_eq!(report(&[0.1], Stop::EarlyStopped { epoch: 1 }).test_accuracy, 0.0);
        assert_eq!(report(&[0.1], Stop::Cancelled).test_accuracy, 0.0);
    }

    #[test]
    fn reports_go_through_serde_and_back() {
        for stop in [Stop::Completed, Stop::EarlyStopped { epoch: 2 }, Stop::Cancelled] {
            let report = report(&[0.1, 0.25], stop);
            let text = serde_json::to_string(&report).unwrap();
            assert_eq!(serde_json::from_str::<TrainReport>(&text).unwrap(), report, "{text}");
            assert!(serde_json::from_str::<TrainReport>(&text.replace("train_loss", "loss")).is_err());
        }
    }

    #[test]
    fn only_early_stopping_clears_the_train_flag() {
        assert!(report(&[0.1], Stop::Completed).train_flag());
        assert!(report(&[0.1], Stop::Cancelled).train_flag());
        assert!(!report(&[0.1], Stop::EarlyStopped { epoch: 1 }).train_flag());
    }
}
