//! Scoring a candidate: the contract between the search and the code that computes a reward.

use crate::ScoreError;
use dpnas_grammar::Net;
use dpnas_search::Candidate;
use dpnas_train::{TestSchedule, TrainReport};
use serde::{Deserialize, Serialize};
use std::panic::AssertUnwindSafe;

/// Metrics of one classifier's training; accuracies are fractions.
///
/// # Source
/// SPEC §7.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// The reward of the search: the mean of the last five validation accuracies, or a leave-one-out accuracy.
    pub reward: f64,
    /// Whether training reached its last epoch; false after early stopping.
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

impl Metrics {
    /// A reward without accuracies.
    pub fn reward(reward: f64) -> Self {
        Self {
            reward,
            train_flag: true,
            valid_accuracy: Vec::new(),
            train_accuracy: Vec::new(),
            test_accuracy: 0.0,
            test_accuracies: Vec::new(),
        }
    }

    /// The metrics of a training. They include the test accuracy of every epoch if the schedule asks for it.
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

/// The result of evaluating a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// The candidate has a reward.
    Scored(Metrics),
    /// The candidate cannot be scored. The search records it with reward 0 and learns from it, but does not count it
    /// towards the schedule.
    Rejected {
        /// Why it was rejected.
        reason: String,
    },
    /// The candidate does not fit the memory budget, even one image at a time. The search draws another one; the replay
    /// buffer gets no row.
    OutOfMemory {
        /// Bytes needed and bytes allowed.
        reason: String,
    },
    /// The evaluation panicked, or the process was killed during it twice. For the search, this is as out of memory.
    Failed {
        /// What happened.
        reason: String,
    },
}

impl Outcome {
    /// A score that is only a reward, from 0 to 1.
    pub fn scored(reward: f64) -> Self {
        Self::Scored(Metrics::reward(reward))
    }

    /// The kind of an outcome without a score, as it stands in files, and its reason.
    pub fn without_score(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Scored(_) => None,
            Self::Rejected { reason } => Some(("rejected", reason)),
            Self::OutOfMemory { reason } => Some(("out-of-memory", reason)),
            Self::Failed { reason } => Some(("failed", reason)),
        }
    }

    /// Refuses metrics outside 0 to 1. They could not be recorded and read back.
    pub(crate) fn check(&self, net: &Net) -> Result<(), OutOfRange> {
        let Self::Scored(score) = self else { return Ok(()) };
        let Metrics { reward, train_flag: _, valid_accuracy, train_accuracy, test_accuracy, test_accuracies } = score;
        let metrics = [
            ("reward", std::slice::from_ref(reward)),
            ("validation accuracy", valid_accuracy),
            ("training accuracy", train_accuracy),
            ("test accuracy", std::slice::from_ref(test_accuracy)),
            ("test accuracy", test_accuracies),
        ];
        for (metric, values) in metrics {
            if let Some(&value) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
                return Err(OutOfRange { net: net.to_string(), metric, value });
            }
        }
        Ok(())
    }
}

/// What an evaluation gives, or an outcome if it panics.
pub(crate) fn without_panic<E>(evaluate: impl FnOnce() -> Result<Outcome, E>) -> Result<Outcome, E> {
    std::panic::catch_unwind(AssertUnwindSafe(evaluate)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        Ok(Outcome::Failed { reason: format!("the evaluation panicked: {text}") })
    })
}

/// A metric is not between 0 and 1. The outcome was not recorded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "the evaluator gave {net} a {metric} of {value}, but it must lie between 0 and 1: correct the evaluator, then resume"
)]
#[non_exhaustive]
pub struct OutOfRange {
    /// The architecture.
    pub net: String,
    /// Name of the metric, for example `reward`.
    pub metric: &'static str,
    /// Its value.
    pub value: f64,
}

/// Why an evaluation gave no outcome. The run ends. A resumed run evaluates the candidate again.
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
    /// Converts a [`ScoreError`].
    pub(crate) fn of(net: &Net, error: ScoreError) -> Self {
        match error {
            ScoreError::Interrupted => Self::Interrupted,
            error => Self::Failed { net: net.to_string(), source: Box::new(error) },
        }
    }
}

/// Scores candidates.
///
/// An evaluation must be repeatable: the same candidate always gets the same outcome. A resumed search relies on it.
pub trait Evaluate: Send {
    /// Names everything that decides an outcome besides the settings of the search, for example device, data and
    /// training settings. A run can be resumed only with the identity it began with.
    fn identity(&self) -> String;

    /// Scores one candidate.
    ///
    /// # Errors
    /// [`EvaluateError::Interrupted`] if the evaluation was asked to end early, [`EvaluateError::Failed`] otherwise.
    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError>;

    /// A number that changes while an evaluation keeps something for the next one of the same candidate, such as the
    /// bytes of its checkpoint. A candidate during which the process is killed twice, with the same number before, is given
    /// up as [`Outcome::Failed`].
    fn kept(&self, _candidate: &Candidate) -> u64 {
        0
    }
}

impl<E: Evaluate + ?Sized> Evaluate for Box<E> {
    fn identity(&self) -> String {
        (**self).identity()
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        (**self).evaluate(candidate)
    }

    fn kept(&self, candidate: &Candidate) -> u64 {
        (**self).kept(candidate)
    }
}

impl<E: Evaluate + ?Sized> Evaluate for &mut E {
    fn identity(&self) -> String {
        (**self).identity()
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        (**self).evaluate(candidate)
    }

    fn kept(&self, candidate: &Candidate) -> u64 {
        (**self).kept(candidate)
    }
}
