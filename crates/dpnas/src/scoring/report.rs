//! Events, report and errors of a scoring run.

use super::runner::{ScoringJob, Training};
use super::{Summary, Target};
use crate::{FolderError, JournalError, Metrics, OtherEvaluation, OutOfRange, Outcome, ScoreError, StopReason};
use dpnas_grammar::ParseError;
use dpnas_seed::Seed;
use serde::Serialize;

/// Progress of a scoring run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ScoringEvent<'a> {
    /// The run was resumed from its journal.
    Resumed {
        /// Draws in the journal.
        done: usize,
        /// Draws of the whole run.
        total: usize,
    },
    /// A draw is about to be scored.
    Scoring {
        /// The architecture.
        target: &'a Target,
        /// Kind of training.
        training: Training,
        /// Number of the draw, from 0.
        draw: u32,
        /// Finished draws.
        done: usize,
        /// Draws of the whole run.
        total: usize,
    },
    /// A draw was recorded.
    Scored {
        /// The architecture.
        target: &'a Target,
        /// The draw and its outcome.
        scored: &'a DrawOutcome,
        /// Finished draws.
        done: usize,
        /// Draws of the whole run.
        total: usize,
    },
}

/// The outcome of one architecture under one draw of its weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DrawOutcome {
    /// Index of the architecture among the targets.
    pub target: usize,
    /// Kind of training.
    pub training: Training,
    /// Number of the draw, from 0.
    pub draw: u32,
    /// The seed of the weights.
    pub seed: Seed,
    /// The outcome.
    pub outcome: Outcome,
}

impl DrawOutcome {
    /// Metrics of its training; `None` if it was rejected, did not fit the memory, or failed.
    pub fn score(&self) -> Option<&Metrics> {
        match &self.outcome {
            Outcome::Scored(score) => Some(score),
            _ => None,
        }
    }
}

/// Statistics of the draws of one architecture.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NetSummary {
    /// Index of the architecture among the targets.
    pub target: usize,
    /// Kind of training.
    pub training: Training,
    /// Rewards of the scored draws.
    pub reward: Option<Summary>,
    /// Test accuracies of the scored draws that did not stop early.
    pub test_accuracy: Option<Summary>,
    /// Draws that were rejected or did not fit the memory.
    pub without_score: usize,
}

/// Result of a scoring run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScoringReport {
    /// Architectures and draws.
    pub job: ScoringJob,
    /// Why the run ended.
    pub stop: StopReason,
    /// Kinds of training, in order.
    pub trainings: Vec<Training>,
    /// All finished draws, including those before a resume, sorted by training, architecture and draw.
    pub draws: Vec<DrawOutcome>,
}

impl ScoringReport {
    /// One summary for each training and architecture with a finished draw.
    pub fn summaries(&self) -> Vec<NetSummary> {
        let pairs = self.trainings.iter().flat_map(|&training| (0..self.job.targets.len()).map(move |t| (t, training)));
        pairs.filter_map(|(target, training)| self.summary(target, training)).collect()
    }

    /// The draws of one architecture and training, in order.
    pub fn draws_of(&self, target: usize, training: Training) -> impl Iterator<Item = &DrawOutcome> {
        self.draws.iter().filter(move |draw| draw.target == target && draw.training == training)
    }

    /// Statistics of the draws of one architecture; `None` if there are none yet.
    pub fn summary(&self, target: usize, training: Training) -> Option<NetSummary> {
        let draws: Vec<&DrawOutcome> = self.draws_of(target, training).collect();
        let scores: Vec<&Metrics> = draws.iter().filter_map(|draw| draw.score()).collect();
        let rewards: Vec<f64> = scores.iter().map(|score| score.reward).collect();
        let tests: Vec<f64> = scores.iter().filter(|score| score.train_flag).map(|score| score.test_accuracy).collect();
        (!draws.is_empty()).then(|| NetSummary {
            target,
            training,
            reward: Summary::of(&rewards),
            test_accuracy: Summary::of(&tests),
            without_score: draws.len() - scores.len(),
        })
    }
}

/// Why a scoring run failed. Recorded draws are kept, and the run can be resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScoringError {
    /// The job has no architectures, draws or scorers.
    #[error("nothing to score: {missing}")]
    Nothing {
        /// What is missing.
        missing: &'static str,
    },
    /// An architecture cannot be scored with these data and settings; nothing was computed.
    #[error("{place}cannot be scored: {net}")]
    Unfit {
        /// The row of the architecture, as the beginning of the message.
        place: String,
        /// The architecture.
        net: String,
        /// Why it cannot be scored.
        source: Box<ScoreError>,
    },
    /// A draw could not be scored.
    #[error("draw {draw} of {net} ({training}) could not be scored")]
    Failed {
        /// The architecture.
        net: String,
        /// Kind of training.
        training: Training,
        /// Number of the draw, from 0.
        draw: u32,
        /// What failed.
        source: ScoreError,
    },
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file of the run folder cannot be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The evaluator returned a metric out of range.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// A picture could not be drawn.
    #[cfg(feature = "report")]
    #[error("a picture could not be drawn")]
    Picture(#[from] dpnas_report::ReportError),
    /// An architecture of the journal does not parse.
    #[error("the journal names an architecture that cannot be read")]
    Net(#[from] ParseError),
    /// The run began with another evaluation.
    #[error(transparent)]
    OtherEvaluation(#[from] OtherEvaluation),
    /// The journal contradicts its first line or the job of the runner.
    #[error(
        "the journal has {found}, which its first line does not ask for. Was it edited? Restore it from a copy, or begin \
         a new run"
    )]
    Diverged {
        /// What was found.
        found: String,
    },
}
