#![doc = include_str!("../README.md")]
//!
//! | to | use |
//! |---|---|
//! | score one architecture | [`DeepPrior::score`] |
//! | score several under several draws of their weights | [`ScoreRunner`], [`fixed_nets`] |
//! | train one architecture in full | [`FullTraining::score`] |
//! | search | [`Runner`] |
//! | search with another reward | [`Evaluate`] |
//! | get a well-known data set | [`fetch_known`] |
//! | store embeddings for other programs, and read them | [`DeepPrior::store_embedding`], [`store`] |
//! | read or write the published files | [`read_replay_buffer`], [`ReplayWriter`], [`read_q_values`], [`write_q_values`] |
//! | go on from the published files | [`EarlierRun`], [`Runner::continuing`] |
//!
//! The crates below are re-exported: [`grammar`], [`seed`], [`search`], [`data`], [`prior`], [`encoder`], [`kernels`],
//! [`full`], [`cache`], [`train`], [`report`], [`download`].

pub use dpnas_cache as cache;
pub use dpnas_data as data;
pub use dpnas_download as download;
pub use dpnas_encoder as encoder;
pub use dpnas_full as full;
pub use dpnas_grammar as grammar;
pub use dpnas_kernels as kernels;
pub use dpnas_prior as prior;
pub use dpnas_report as report;
pub use dpnas_search as search;
pub use dpnas_seed as seed;
pub use dpnas_train as train;

mod csv;
mod deep_prior;
mod evaluate;
mod fetch;
mod full_training;
mod run;
mod score_error;
mod scoring;
mod splits;
pub mod store;

pub use csv::{
    CsvError, Q_COLUMNS, REPLAY_COLUMNS, ReplayRow, ReplayWriter, read_q_values, read_replay_buffer, write_q_values,
};
pub use deep_prior::{
    DeepPrior, DeepPriorConfig, EmbedError, MemoryPlan, OverBudget, RowPlace, StoreRequest, UnknownWeightDraw,
    WeightDraw, auto_memory_budget, default_budget, free_memory, pixel_baseline,
};
pub use dpnas_search::Candidate;
pub use evaluate::{Evaluate, EvaluateError, Outcome, Score};
pub use fetch::{FetchConfig, fetch_known};
pub use full_training::{EpochHook, FullTraining, FullTrainingConfig};
pub use run::{
    EarlierRun, FolderError, Hook, JOURNAL_FORMAT, JournalError, Report, RunError, RunEvent, RunFolder, Runner, Scored,
    StopReason, draw_rewards, reward_points,
};
pub use score_error::ScoreError;
pub use scoring::{
    ChoiceError, Group, NetSummary, ScoreDraw, ScoreJob, ScoreReport, ScoreRunner, ScoredDraw, ScoringError,
    ScoringEvent, ScoringHook, Searched, Summary, Target, Training, draw_seed, fixed_nets, target_of_row,
};
pub use splits::{Splits, VALID_FRACTION};

/// The README's example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The examples of the guide are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/library.md")]
#[doc = include_str!("../../../docs/guide/embed.md")]
struct Guide;

/// The guide's page on full training, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/full-training.md")]
struct FullTrainingGuide;

/// The example of the page on data sets is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/data-sets.md")]
struct GuideToDataSets;
