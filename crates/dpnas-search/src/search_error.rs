//! Errors of asking and telling.

use crate::CandidateId;

/// Why [`Search::ask`](crate::Search::ask) finds nothing although the schedule is not complete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// [`MAX_FRUITLESS_DRAWS`](crate::MAX_FRUITLESS_DRAWS) architectures in a row did not count.
    #[error(
        "none of the last {draws} architectures counted: they were rejected by the space's limits, had reward 0 or did \
         not fit into memory; raise max_final_map, max_features or the memory budget, or choose a space of cheaper layers"
    )]
    Fruitless {
        /// The number of architectures.
        draws: u32,
    },
    /// Every architecture of the space is out of memory.
    #[error(
        "every architecture of the space is out of memory; raise the memory budget or choose a space of cheaper layers"
    )]
    Exhausted,
}

/// Why [`Search::tell`](crate::Search::tell) refuses a feedback.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TellError {
    /// No candidate of this name was asked for yet.
    #[error("candidate {id} was not asked for; tell only candidates that `ask` returned")]
    Unknown {
        /// The name that was told.
        id: CandidateId,
    },
    /// The feedback on this candidate is known already.
    #[error("candidate {id} was told before; tell each candidate once")]
    AlreadyTold {
        /// The name that was told.
        id: CandidateId,
    },
    /// The reward is not a number from 0 to 1; the candidate is still in flight.
    #[error("candidate {id}: reward {reward:?} is out of range; give a fraction from 0 to 1")]
    Reward {
        /// The candidate.
        id: CandidateId,
        /// The reward that was told.
        reward: f64,
    },
    /// A search by Q-learning has no rungs.
    #[error("candidate {id}: Q-learning has no rungs, since it learns from rewards alone; choose another strategy")]
    NoStrategy {
        /// The candidate.
        id: CandidateId,
    },
}
