#![doc = include_str!("../README.md")]
//!
//! | to | use |
//! |---|---|
//! | score one architecture | [`DeepPrior::score`] |
//! | score several under several draws of their weights | [`ScoringRunner`], [`fixed_nets`] |
//! | train one architecture in full | [`FullTraining::score`] |
//! | search | [`Runner`] |
//! | search with another reward | [`Evaluate`] |
//! | get a well-known data set | [`fetch_known`] |
//! | learn a stream of classes | [`continual`] |
//! | store embeddings for other programs, and read them | [`DeepPrior::store_embedding`], [`store`] |
//! | read or write the published files | [`read_replay_buffer`], [`ReplayWriter`], [`read_q_values`], [`write_q_values`] |
//! | continue a run from the published files | [`EarlierRun`], [`Runner::continuing`] |
//!
//! The crates below are re-exported: [`grammar`], [`seed`], [`search`], [`data`], [`prior`], [`encoder`], [`kernels`],
//! [`full`], [`heads`], [`cache`], [`train`], [`report`], [`download`].

pub use dpnas_cache as cache;
pub use dpnas_data as data;
#[cfg(feature = "download")]
pub use dpnas_download as download;
#[cfg(feature = "burn")]
pub use dpnas_encoder as encoder;
#[cfg(feature = "full")]
pub use dpnas_full as full;
pub use dpnas_grammar as grammar;
#[cfg(feature = "heads")]
pub use dpnas_heads as heads;
#[cfg(feature = "cpu")]
pub use dpnas_kernels as kernels;
pub use dpnas_prior as prior;
#[cfg(feature = "report")]
pub use dpnas_report as report;
pub use dpnas_search as search;
pub use dpnas_seed as seed;
pub use dpnas_train as train;

#[cfg(feature = "continual")]
pub mod continual;
mod csv;
mod deep_prior;
mod evaluate;
#[cfg(feature = "download")]
mod fetch;
mod full_training;
mod hex;
pub mod prelude;
mod run;
mod score_error;
mod scoring;
mod splits;
pub mod store;

pub use csv::{
    CsvError, Q_COLUMNS, REPLAY_COLUMNS, ReplayRow, ReplayWriter, read_q_values, read_replay_buffer, write_q_values,
};
pub use deep_prior::{
    DeepPrior, DeepPriorConfig, EmbedError, Head, MemoryPlan, OverBudget, RowPlace, StoreRequest, UnknownHead,
    UnknownWeightDraw, WeightDraw, auto_memory_budget, default_budget, free_memory, pixel_baseline,
    resumed_memory_budget,
};
#[cfg(feature = "heads")]
pub use deep_prior::{EnsembleConfig, EnsembleDraws, EnsembleEvent, EnsembleStep};
pub use dpnas_search::Candidate;
pub use evaluate::{Evaluate, EvaluateError, Metrics, OutOfRange, Outcome};
#[cfg(feature = "download")]
pub use fetch::{FetchConfig, fetch_known};
pub use full_training::{EpochHook, FullTraining, FullTrainingConfig};
pub use run::{
    EarlierRun, FolderError, Hook, JOURNAL_FORMAT, JournalError, MAX_FRUITLESS, OtherEvaluation, Report, RunError,
    RunEvent, RunFolder, Runner, StopReason, Trial,
};
#[cfg(feature = "report")]
pub use run::{draw_rewards, reward_points, write_picture};
pub use score_error::ScoreError;
pub use scoring::{
    ChoiceError, DrawOutcome, EvaluateDraw, Group, NetSummary, ScoringError, ScoringEvent, ScoringHook, ScoringJob,
    ScoringReport, ScoringRunner, Searched, Summary, Target, Training, draw_seed, fixed_nets, target_of_row,
};
pub use splits::{Splits, VALID_FRACTION};

/// Doctests of the README and the guide; the package `examples` has those that need burn.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../docs/guide/library.md")]
struct Examples;
