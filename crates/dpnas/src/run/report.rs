//! What a run tells: events on the way, a report at the end, and what can go wrong.

use crate::run::other_evaluation::OtherEvaluation;
use crate::run::trials::Trials;
use crate::{EvaluateError, FolderError, JournalError, OutOfRange, Outcome, ReplayRow, Trial};
use dpnas_search::{AskError, Candidate, Progress, Search, TellError};
use serde::{Serialize, Serializer};
use std::fmt;

/// Something that happened in a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RunEvent<'a> {
    /// An earlier run was rebuilt from its journal.
    Resumed {
        /// Architectures that were scored then.
        evaluated: usize,
        /// How far the search is.
        progress: Progress,
    },
    /// A candidate is about to be evaluated.
    Evaluating {
        /// The candidate.
        candidate: &'a Candidate,
        /// How far the search is.
        progress: Progress,
    },
    /// A candidate's outcome was recorded.
    Told {
        /// The candidate.
        candidate: &'a Candidate,
        /// Its outcome.
        outcome: &'a Outcome,
        /// How far the search is.
        progress: Progress,
        /// The best architecture so far.
        best: Option<&'a Trial>,
    },
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StopReason {
    /// The schedule is complete.
    Completed,
    /// A hook or the evaluator asked to end.
    Interrupted,
    /// The limit of evaluations was reached.
    LimitReached,
    /// The search finds nothing more to evaluate.
    Barren(AskError),
    /// No evaluation counted for too long: all had reward 0, were rejected or did not fit the memory.
    Fruitless {
        /// Evaluations since the last that counted.
        evaluations: u64,
    },
}

/// Serialised as its text.
impl Serialize for StopReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.pad("completed"),
            Self::Interrupted => f.pad("interrupted"),
            Self::LimitReached => f.pad("limit reached"),
            Self::Barren(error) => write!(f, "barren: {error}"),
            Self::Fruitless { evaluations } => {
                write!(f, "fruitless: none of the last {evaluations} evaluations counts")
            }
        }
    }
}

/// A run at its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Why it ended.
    pub stop: StopReason,
    /// Architectures that were evaluated in this sitting.
    pub evaluated: u64,
    /// Architectures that were scored in earlier sittings.
    pub resumed: usize,
    /// The replay buffer.
    pub rows: Vec<ReplayRow>,
    /// Every scored architecture, the highest reward first, those of an earlier run that was continued included.
    pub best: Vec<Trial>,
    /// How far the search is.
    pub progress: Progress,
}

impl Report {
    pub(crate) fn new(search: &Search, trials: &Trials, stop: StopReason, evaluated: u64, resumed: usize) -> Self {
        let rows = search.rows().iter().map(|row| trials.row(row)).collect();
        Self { stop, evaluated, resumed, rows, best: trials.ranked(), progress: search.progress() }
    }
}

/// Why a run failed. Everything that was recorded before stays, and the run can be resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file of the run folder cannot be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A candidate could not be evaluated.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The search was asked for candidates before; the runner can neither record nor repeat those.
    #[error("the search was asked for candidates before it was given to the runner: give it a new one")]
    NotFresh,
    /// The evaluator gave an outcome out of range.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The evaluator gave an outcome that the search does not take.
    #[error(transparent)]
    Tell(#[from] TellError),
    /// A picture could not be drawn.
    #[cfg(feature = "report")]
    #[error("the reward plot could not be drawn")]
    Plot(#[from] dpnas_report::ReportError),
    /// The run was begun with another evaluation.
    #[error(transparent)]
    OtherEvaluation(#[from] OtherEvaluation),
    /// The search was made from an earlier run that the runner was not given, or from another one.
    #[error(
        "the search continues {search} rows of an earlier run, and the runner was given {given}; make the search with \
         `EarlierRun::search` and give the same run to `Runner::continuing`"
    )]
    EarlierRun {
        /// Rows that the search took over.
        search: usize,
        /// Rows of the earlier run that the runner was given.
        given: usize,
    },
    /// A file of the earlier run is not the one with which this run was begun.
    #[error(
        "{file} is not the file with which this run was begun: its SHA-256 is {now}, the journal has {begun}. Restore it \
         from the earlier run, or begin a new run"
    )]
    EarlierFile {
        /// Its name in the run's folder.
        file: &'static str,
        /// The SHA-256 in the journal.
        begun: String,
        /// The SHA-256 of the file.
        now: String,
    },
    /// The journal does not follow from the settings.
    #[error(
        "the journal does not follow from the settings: it has {journal}, the search gives {found}. Were the settings \
         changed, or the journal edited? Restore them, or begin a new run"
    )]
    Diverged {
        /// What the journal says.
        journal: String,
        /// What the search gives.
        found: String,
    },
}
