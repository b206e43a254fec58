//! What training tells: one record an epoch, how it ended, and the reward.

use serde::{Deserialize, Serialize};

/// The record of one epoch; accuracies are fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Number of the epoch, from 1.
    pub index: u32,
    /// Accuracy on the training images, each classified in its mini-batch before that mini-batch's step.
    pub train_accuracy: f64,
    /// Mean cross-entropy of the training images, in nats, seen in the same way.
    pub train_loss: f64,
    /// Accuracy on the validation images after the epoch.
    pub valid_accuracy: f64,
    /// Accuracy on the test images after the epoch, if they were classified.
    pub test_accuracy: Option<f64>,
}

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stop {
    /// All epochs were run.
    Completed,
    /// The validation accuracy was below the threshold.
    EarlyStopped {
        /// The last epoch that was run, from 1.
        epoch: u32,
    },
}

/// The course and the end of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct FullReport {
    /// One record for each epoch, those before a resumption included.
    pub epochs: Vec<Epoch>,
    /// How the training ended.
    pub stop: Stop,
    /// Accuracy on the test images after the last epoch, as a fraction; 0 if there were none, and 0 after early
    /// stopping.
    pub test_accuracy: f64,
}

impl FullReport {
    /// A report of these epochs.
    pub(crate) fn of(epochs: Vec<Epoch>, stop: Stop) -> Self {
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

    /// Whether training was not stopped early.
    pub fn train_flag(&self) -> bool {
        self.stop == Stop::Completed
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

    #[test]
    fn the_reward_is_the_mean_of_the_last_five_and_a_stopped_training_has_no_test_accuracy() {
        let epoch = |(i, &valid_accuracy): (usize, &f64)| Epoch {
            index: i as u32 + 1,
            train_accuracy: 0.0,
            train_loss: 0.0,
            valid_accuracy,
            test_accuracy: Some(0.5),
        };
        let epochs: Vec<Epoch> = [1.0, 1.0, 0.5, 0.25, 0.5, 0.75, 0.5].iter().enumerate().map(epoch).collect();
        let report = FullReport::of(epochs.clone(), Stop::Completed);
        assert_eq!((report.reward(), report.test_accuracy, report.train_flag()), (0.5, 0.5, true));
        let report = FullReport::of(epochs, Stop::EarlyStopped { epoch: 7 });
        assert_eq!((report.reward(), report.test_accuracy, report.train_flag()), (0.5, 0.0, false));
        assert_eq!(mean_of_last_five(&[]), 0.0);
    }
}
