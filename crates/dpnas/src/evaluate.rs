//! Scoring a candidate: the contract between the search and whatever computes a reward.

use crate::ScoreError;
use dpnas_grammar::Net;
use dpnas_search::Candidate;
use dpnas_train::{TestSchedule, TrainReport};

/// What the training of one classifier told; accuracies are fractions.
///
/// # Source
/// SPEC §7.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// What the search learns from: the mean of the last five validation accuracies.
    pub reward: f64,
    /// Whether training ran to its last epoch; false after early stopping.
    pub train_flag: bool,
    /// Validation accuracy after each epoch.
    pub valid_accuracy: Vec<f64>,
    /// Training accuracy during each epoch.
    pub train_accuracy: Vec<f64>,
    /// Test accuracy after the last epoch; 0 after early stopping.
    pub test_accuracy: f64,
    /// Test accuracy after each epoch; empty unless [`TestSchedule::EveryEpoch`] asks for it.
    pub test_accuracies: Vec<f64>,
}

impl Score {
    /// The score that a training tells, with the test accuracy of every epoch if these were asked for.
    pub(crate) fn of(report: &TrainReport, test: TestSchedule) -> Self {
        Self {
            reward: report.reward(),
            train_flag: report.train_flag(),
            valid_accuracy: report.epochs.iter().map(|epoch| epoch.valid_accuracy).collect(),
            train_accuracy: report.epochs.iter().map(|epoch| epoch.train_accuracy).collect(),
            test_accuracy: report.test_accuracy,
            test_accuracies: match test {
                TestSchedule::AfterLast => Vec::new(),
                TestSchedule::EveryEpoch => report.epochs.iter().filter_map(|epoch| epoch.test_accuracy).collect(),
            },
        }
    }

    /// The highest validation accuracy of any epoch; 0 without epochs.
    pub fn best_valid(&self) -> f64 {
        self.valid_accuracy.iter().copied().fold(0.0, f64::max)
    }
}

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// A classifier was trained on its embedding.
    Scored(Score),
    /// It cannot be scored: recorded with reward 0, learnt from, not counted.
    Rejected {
        /// Why.
        reason: String,
    },
    /// It does not fit the memory budget, even one image at a time: another one is drawn, nothing is recorded.
    OutOfMemory {
        /// What was needed beside what is allowed.
        reason: String,
    },
}

/// Why an evaluation gave no outcome. The run ends, and the candidate is evaluated again when the run is resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The evaluation was asked to end early.
    #[error("interrupted")]
    Interrupted,
    /// The evaluation failed.
    #[error("candidate {net} could not be evaluated")]
    Failed {
        /// The architecture.
        net: String,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EvaluateError {
    /// What the failure to score an architecture is to a search.
    pub(crate) fn of(net: &Net, error: ScoreError) -> Self {
        match error {
            ScoreError::Interrupted => Self::Interrupted,
            error => Self::Failed { net: net.to_string(), source: Box::new(error) },
        }
    }
}

/// Scores candidates.
///
/// The same candidate must get the same outcome whenever it is evaluated: a search is resumed by repeating it.
pub trait Evaluate {
    /// Names what decides the outcome beside the search's own settings, for example device, data and training settings.
    /// A run is resumed only under the identity that it was begun with.
    fn identity(&self) -> String;

    /// Scores one candidate.
    ///
    /// # Errors
    /// [`EvaluateError::Interrupted`] if the evaluation was asked to end early, [`EvaluateError::Failed`] otherwise.
    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError>;
}

impl<E: Evaluate + ?Sized> Evaluate for Box<E> {
    fn identity(&self) -> String {
        (**self).identity()
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        (**self).evaluate(candidate)
    }
}
