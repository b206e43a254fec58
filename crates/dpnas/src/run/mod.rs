//! Running a search: the runner, its journal and the run folder.

pub(crate) mod attempts;
mod chain;
pub(crate) mod earlier;
pub(crate) mod event;
pub(crate) mod files;
pub(crate) mod folder;
pub(crate) mod journal;
mod journal_error;
pub(crate) mod other_evaluation;
mod pace;
#[cfg(feature = "report")]
pub(crate) mod picture;
pub(crate) mod report;
pub(crate) mod resume;
mod runner;
pub(crate) mod trials;

pub use earlier::EarlierRun;
pub use folder::{FolderError, RunFolder};
pub use journal::JOURNAL_FORMAT;
pub use journal_error::JournalError;
pub use other_evaluation::OtherEvaluation;
#[cfg(feature = "report")]
pub use picture::{draw_rewards, reward_points, write_picture};
pub use report::{Report, RunError, RunEvent, StopReason};
pub use runner::{Hook, MAX_FRUITLESS, Runner};
pub use trials::Trial;
