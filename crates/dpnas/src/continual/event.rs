//! Progress of a run, and the lines of its journal, `continual.jsonl`.

use super::{ContinualJob, Learned, Method};
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    Begun { format: u32, version: String, identity: String, job: ContinualJob },
    Learned(Learned),
    Ended { reason: String },
}

/// Progress of a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ContinualEvent<'a> {
    /// The run was resumed from its journal.
    Resumed {
        /// Streams in the journal.
        done: usize,
        /// Streams of the whole run.
        total: usize,
    },
    /// The rows of a draw are about to be computed.
    Embedding {
        /// Number of the draw, from 0.
        draw: u32,
        /// Finished streams.
        done: usize,
        /// Streams of the whole run.
        total: usize,
    },
    /// A method is about to learn a stream.
    Learning {
        /// The method.
        method: Method,
        /// Number of the draw, from 0.
        draw: u32,
        /// Number of the class order, from 0.
        order: usize,
        /// Finished streams.
        done: usize,
        /// Streams of the whole run.
        total: usize,
    },
    /// A stream was recorded.
    Learned {
        /// What was learned.
        learned: &'a Learned,
        /// Finished streams.
        done: usize,
        /// Streams of the whole run.
        total: usize,
    },
}
