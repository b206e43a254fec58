//! Events, report and errors of a run.

use crate::run::other_evaluation::OtherEvaluation;
use crate::run::trials::Trials;
use crate::{EvaluateError, FolderError, JournalError, OutOfRange, Outcome, ReplayRow, Trial};
use dpnas_search::{AskError, Candidate, Member, Progress, Search, TellError};
use serde::{Serialize, Serializer};
use std::fmt;

/// Progress of a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RunEvent<'a> {
    /// The run was resumed from its journal.
    Resumed {
        /// Scored architectures in the journal.
        evaluated: usize,
        /// Progress of the search.
        progress: Progress,
    },
    /// A candidate is about to be evaluated.
    Evaluating {
        /// The candidate.
        candidate: &'a Candidate,
        /// Progress of the search.
        progress: Progress,
    },
    /// A candidate's score at a rung was recorded.
    Rung {
        /// The candidate.
        candidate: &'a Candidate,
        /// The rung, from 0.
        rung: usize,
        /// Its score there.
        score: f64,
        /// Whether it goes on to the next rung, or to the evaluator after the last. Otherwise it is told with this.
        goes_on: bool,
        /// Progress of the search.
        progress: Progress,
        /// The best architecture so far.
        best: Option<&'a Trial>,
    },
    /// A candidate's outcome was recorded.
    Told {
        /// The candidate.
        candidate: &'a Candidate,
        /// Its outcome.
        outcome: &'a Outcome,
        /// Progress of the search.
        progress: Progress,
        /// The best architecture so far.
        best: Option<&'a Trial>,
    },
    /// It is time to renew what a reader sees: at the start, and then so seldom that gathering this and the hook take
    /// at most 2 % of the time. When it comes depends on the clock.
    SoFar {
        /// The replay buffer.
        rows: &'a [ReplayRow],
        /// Every scored architecture, including those of a continued run, the highest reward first.
        best: &'a [Trial],
        /// The best architecture and everything that the strategy made it from ([`Search::family`]).
        family: &'a [Member],
        /// Progress of the search.
        progress: Progress,
    },
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StopReason {
    /// The schedule is complete.
    Completed,
    /// A hook or the evaluator ended the run.
    Interrupted,
    /// The limit of evaluations was reached.
    LimitReached,
    /// The time of the run is over.
    TimeIsOver,
    /// The search finds no further candidate.
    Barren(AskError),
    /// Too many evaluations in a row did not count towards the schedule: they had reward 0, were rejected or did not
    /// fit the memory.
    Fruitless {
        /// Evaluations since the last one that counted.
        evaluations: u64,
    },
}

/// Serialises as the displayed text.
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
            Self::TimeIsOver => f.pad("time is over"),
            Self::Barren(error) => write!(f, "barren: {error}"),
            Self::Fruitless { evaluations } => {
                write!(f, "fruitless: none of the last {evaluations} evaluations counts")
            }
        }
    }
}

/// Result of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Why the run ended.
    pub stop: StopReason,
    /// Architectures evaluated since the run was started or resumed.
    pub evaluated: u64,
    /// Architectures scored before the run was resumed.
    pub resumed: usize,
    /// The replay buffer.
    pub rows: Vec<ReplayRow>,
    /// Every scored architecture, including those of a continued run, the highest reward first.
    pub best: Vec<Trial>,
    /// The best architecture and everything that the strategy made it from ([`Search::family`]).
    pub family: Vec<Member>,
    /// Progress of the search.
    pub progress: Progress,
    /// Candidates that were scored at each rung.
    pub rungs: Vec<usize>,
}

impl Report {
    pub(crate) fn new(search: &Search, trials: &Trials, stop: StopReason, evaluated: u64, resumed: usize) -> Self {
        let rows = search.rows().iter().map(|row| trials.row(row)).collect();
        let rungs = search.rungs().iter().map(Vec::len).collect();
        let family = family(search, trials);
        Self { stop, evaluated, resumed, rows, best: trials.ranked(), family, progress: search.progress(), rungs }
    }
}

/// The family of the best architecture so far.
pub(crate) fn family(search: &Search, trials: &Trials) -> Vec<Member> {
    trials.best().map(|best| search.family(&best.net)).unwrap_or_default()
}

/// Why a run failed. Recorded outcomes are kept, and the run can be resumed.
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
    /// The search was asked for candidates before the run. The runner can neither record nor repeat them.
    #[error("the search was asked for candidates before it was given to the runner: give it a new one")]
    NotFresh,
    /// The evaluator returned a metric out of range.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The search refused an outcome.
    #[error(transparent)]
    Tell(#[from] TellError),
    /// The reward plot could not be drawn.
    #[cfg(feature = "report")]
    #[error("the reward plot could not be drawn")]
    Plot(#[from] dpnas_report::ReportError),
    /// The run began with another evaluation.
    #[error(transparent)]
    OtherEvaluation(#[from] OtherEvaluation),
    /// The search continues another earlier run than the runner.
    #[error(
        "the search continues {search} rows of an earlier run, and the runner was given {given}; make the search with \
         `EarlierRun::search` and give the same run to `Runner::continuing`"
    )]
    EarlierRun {
        /// Earlier rows in the search.
        search: usize,
        /// Rows of the runner's earlier run.
        given: usize,
    },
    /// A file of the earlier run has changed since this run began.
    #[error(
        "{file} is not the file with which this run was begun: its SHA-256 is {now}, the journal has {begun}. Restore it \
         from the earlier run, or begin a new run"
    )]
    EarlierFile {
        /// Name of the file in the run's folder.
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
        /// Step in the journal.
        journal: String,
        /// Step of the search.
        found: String,
    },
}
