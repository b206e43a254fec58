//! A search from its first candidate to its files: the runner, its journal, and the run folder.

pub(crate) mod earlier;
pub(crate) mod files;
pub(crate) mod folder;
pub(crate) mod journal;
pub(crate) mod report;
pub(crate) mod resume;
mod runner;
pub(crate) mod scores;

pub use earlier::EarlierRun;
pub use files::{draw_rewards, reward_points};
pub use folder::{FolderError, RunFolder};
pub use journal::{JOURNAL_FORMAT, JournalError};
pub use report::{Report, RunError, RunEvent, StopReason};
pub use runner::{Hook, Runner};
pub use scores::Scored;
