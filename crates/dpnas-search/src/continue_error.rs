//! Why a search cannot go on from what an earlier run left.

use crate::{Action, FollowError, Schedule, SettingsError, State};
use dpnas_grammar::Net;

/// Why a search cannot continue an earlier run. Rows are counted from 0, as pandas does.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ContinueError {
    /// A setting of the learner is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The schedule has no such ε.
    #[error(
        "the schedule {schedule} has no epsilon {epsilon:?}; give one that it has, or the schedule of the earlier run"
    )]
    NotInSchedule {
        /// The ε that was looked for.
        epsilon: f64,
        /// The schedule.
        schedule: Schedule,
    },
    /// The schedule has the ε in more than one phase, so the place is not known.
    #[error(
        "the schedule {schedule} has epsilon {epsilon:?} more than once, so the place in it is not clear; make them \
         differ, for example by 0.001"
    )]
    TwiceInSchedule {
        /// The ε that was looked for.
        epsilon: f64,
        /// The schedule.
        schedule: Schedule,
    },
    /// More architectures than the share of the ε.
    #[error("position {position} is past the {share} architectures of epsilon {epsilon:?}; give at most {share}")]
    Position {
        /// The ε.
        epsilon: f64,
        /// The position that was given.
        position: u32,
        /// The architectures of this ε.
        share: u32,
    },
    /// A net of the replay buffer is not a walk through the space.
    #[error(
        "row {row} of the replay buffer, {net}, does not fit the space; continue with the space and the images of the \
         earlier run (the published program's space is `reference-code`)"
    )]
    Net {
        /// The row.
        row: usize,
        /// Its net.
        net: Net,
        /// The first layer that does not fit.
        source: FollowError,
    },
    /// A reward is not a number from 0 to 1.
    #[error("row {row} of the replay buffer: reward {reward:?} is out of range; give a fraction from 0 to 1")]
    Reward {
        /// The row.
        row: usize,
        /// Its reward.
        reward: f64,
    },
    /// An ε is not a number from 0 to 1.
    #[error("row {row} of the replay buffer: epsilon {epsilon:?} is a probability; give a number from 0 to 1")]
    Epsilon {
        /// The row.
        row: usize,
        /// Its ε.
        epsilon: f64,
    },
    /// Two rows give one architecture different rewards.
    #[error(
        "row {row} of the replay buffer gives {net} the reward {reward:?}, but row {first} gives it {before:?}; an \
         architecture has one reward: correct or remove one of the rows"
    )]
    TwoRewards {
        /// The later row.
        row: usize,
        /// Its net.
        net: Net,
        /// Its reward.
        reward: f64,
        /// The first row of the architecture.
        first: usize,
        /// The reward there.
        before: f64,
    },
    /// A Q-value belongs to no action of the space.
    #[error(
        "Q-value {number}: `{action}` is not an action of the space after: {state}; continue with the space and the \
         images of the earlier run (the published program's space is `reference-code`)"
    )]
    NotAnAction {
        /// Number of the value, from 0.
        number: usize,
        /// The state.
        state: State,
        /// What is not an action of it.
        action: Action,
    },
    /// A Q-value is not a finite number.
    #[error("Q-value {number}: {value:?} is not a finite number; restore the Q-values from the earlier run")]
    Value {
        /// Number of the value, from 0.
        number: usize,
        /// The value.
        value: f64,
    },
}
