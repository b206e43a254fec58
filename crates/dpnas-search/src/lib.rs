#![doc = include_str!("../README.md")]
//!
//! | to | use |
//! |---|---|
//! | choose what may be built | [`SpaceSettings`]: presets, TOML |
//! | list the actions of a state, follow a walk | [`Space`] |
//! | choose how long to explore | [`Schedule`], [`SearchSettings`] |
//! | run | [`Search::ask`], [`Search::tell`] |
//! | search by evolution, or by a strategy of your own | [`Search::with_strategy`], [`Evolution`], [`Strategy`] |
//! | go on from the files of an earlier run | [`Search::continuing`] |
//! | read what was found and learnt | [`Search::rows`], [`Search::q_table`] |
#![warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod continue_error;
mod evolution;
mod learner;
mod predictor;
mod q;
mod row;
mod schedule;
mod search;
mod search_error;
mod search_settings;
mod space;
mod space_error;
mod space_settings;
mod state;
mod strategy;
mod walk;

pub use continue_error::ContinueError;
pub use dpnas_grammar::{ImageShape, Layer, Net};
pub use dpnas_seed::{Rng, Seed};
pub use evolution::Evolution;
pub use predictor::Predictor;
pub use q::{Entry, QTable};
pub use row::{Candidate, CandidateId, Feedback, Origin, RejectedBy, Row};
pub use schedule::{Phase, Schedule, ScheduleError};
pub use search::{Continuation, EarlierRow, MAX_FRUITLESS_DRAWS, Place, Progress, QValue, Search};
pub use search_error::{AskError, TellError};
pub use search_settings::{SearchSettings, SettingsError};
pub use space::{FollowError, Space};
pub use space_error::SpaceError;
pub use space_settings::{SPACE_PRESETS, SpaceSettings};
pub use state::{Action, LayerKind, State};
pub use strategy::{History, Member, Proposal, Strategy};
