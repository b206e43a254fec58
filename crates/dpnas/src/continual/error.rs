//! Why a run of continual learning fails.

use super::{LearnError, Method, StreamError};
use crate::store::StoreError;
use crate::{FolderError, JournalError, OtherEvaluation, ScoreError};
use dpnas_heads::HeadError;

/// Why a run failed. Recorded streams are kept, and the run can be resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContinualError {
    /// The job is empty or contradicts the rows.
    #[error("{problem}")]
    Job {
        /// What is wrong and what to do.
        problem: String,
    },
    /// The rows cannot be cut into these steps.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The rows of a draw could not be computed.
    #[error("the rows of draw {draw} could not be computed")]
    Rows {
        /// Number of the draw.
        draw: u32,
        /// Why.
        source: ScoreError,
    },
    /// The stored embedding cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rows are wrong.
    #[error("the {split} rows cannot be learned")]
    Values {
        /// `training`, `validation` or `test`.
        split: &'static str,
        /// What is wrong.
        source: HeadError,
    },
    /// A method failed.
    #[error("{method} could not learn")]
    Learn {
        /// The method.
        method: Method,
        /// Why.
        source: LearnError,
    },
    /// Statistics that cannot be used, or that would not fit the memory.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file of the run folder cannot be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A picture could not be drawn.
    #[cfg(feature = "report")]
    #[error("a picture could not be drawn")]
    Picture(#[from] dpnas_report::ReportError),
    /// The run began with other rows.
    #[error(transparent)]
    OtherEvaluation(#[from] OtherEvaluation),
    /// The journal contradicts its first line or the job of the runner.
    #[error(
        "the journal has {found}, which its first line does not ask for. Was it edited? Restore it from a copy, or begin a \
         new run"
    )]
    Diverged {
        /// What was found.
        found: String,
    },
}
