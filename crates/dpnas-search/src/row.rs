//! Candidates, feedback on them, and the rows of the replay buffer.

use dpnas_grammar::{Net, PlanError, Rejection};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// The name of a candidate: how many were asked for before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CandidateId(pub u64);

impl fmt::Display for CandidateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An architecture that needs scoring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Its name in [`Search::tell`](crate::Search::tell).
    pub id: CandidateId,
    /// The architecture.
    pub net: Arc<Net>,
    /// The ε at which it was drawn.
    pub epsilon: f64,
}

/// The result of evaluating a candidate, as far as the search learns from it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Feedback {
    /// It has a reward.
    Scored {
        /// From 0 to 1; 0 does not count towards the schedule.
        reward: f64,
    },
    /// The evaluation rejected it: recorded with reward 0, learnt from, not counted.
    Rejected,
    /// Not even one image at a time fits into memory: not recorded, not learnt from, not drawn again.
    OutOfMemory,
}

/// One line of the replay buffer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The ε at which the architecture was drawn.
    pub epsilon: f64,
    /// The architecture; its repetitions share it.
    pub net: Arc<Net>,
    /// Its reward, from 0 to 1; 0 does not count towards the schedule.
    pub reward: f64,
    /// Why the row is there.
    pub origin: Origin,
}

/// Why a row is in the replay buffer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// This candidate was scored.
    Scored(CandidateId),
    /// The architecture was drawn again; its reward is that of this candidate.
    Repeated(CandidateId),
    /// The architecture was rejected and has reward 0.
    Rejected(RejectedBy),
    /// An earlier run recorded the architecture in this row.
    Earlier {
        /// Number of the earlier run's row, from 0.
        row: usize,
    },
}

/// What rejected an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectedBy {
    /// The limits of the space, before it was handed out.
    Limits(Rejection),
    /// A size or cost that is too large to count, before it was handed out.
    Plan(PlanError),
    /// Its evaluation, by [`Feedback::Rejected`].
    Evaluation(CandidateId),
}

impl fmt::Display for RejectedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limits(rejection) => rejection.fmt(f),
            Self::Plan(error) => error.fmt(f),
            Self::Evaluation(id) => write!(f, "refused by the evaluation of candidate {id}"),
        }
    }
}

impl Serialize for RejectedBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
