//! Events of the journal of a search.
//!
//! ```text
//! {"event":"begun","format":2,"version":"0.1.0","identity":"…","seed":0,"settings":"…","crc":"a3bb0c12"}
//! {"event":"asked","id":0,"epsilon":1.0,"net":"[C(16,3,1,1,1), SM(10)]","crc":"…"}
//! {"event":"told","id":0,"outcome":"scored","reward":0.61,"train_flag":true,"valid":[…],"train":[…],"test":0.6,"crc":"…"}
//! {"event":"told","id":1,"outcome":"rejected","reason":"…","crc":"…"}
//! {"event":"ended","reason":"completed","crc":"…"}
//! ```
//!
//! `settings` is the text of the run's `settings.toml`: a run is not resumed after an edit. `crc` is a checksum of the line
//! and of all before it (`crates/dpnas/src/run/chain.rs`). Format 1 had neither and is still read.
//!
//! The first line of a run that continues an earlier one has a further field:
//!
//! ```text
//! "continued":{"replay_buffer":"<SHA-256>","q_values":"<SHA-256>","epsilon":0.5,"position":40}
//! ```
//!
//! Where a run's time is limited, `told` has `"seconds":12.5`, the seconds of the run so far: the run ends after the first that
//! reach the limit, also when it is repeated.
//!
//! With rungs, each score at a rung comes before the outcome, and instead of it where it is not good enough:
//!
//! ```text
//! {"event":"rung","id":2,"score":0.48}
//! ```
//!
//! A run that ends in an orderly way says so with `ended`. One that was killed does not: if it is resumed, the candidate that
//! was being evaluated is evaluated again, after a line with what an earlier evaluation kept ([`Evaluate::kept`]):
//!
//! ```text
//! {"event":"again","id":2,"kept":0}
//! ```
//!
//! Killed a second time where nothing more was kept, the candidate is what kills the run. It has the outcome `failed`. A program
//! that a signal ends within an evaluation leaves a file `interrupted` ([`RunFolder::note_interruption`]), from which the next
//! resume writes the line `ended`.
//!
//! Only types of this module are serialised, so a change in another module does not change the format.

#[cfg(doc)]
use crate::{Evaluate, RunFolder};
use crate::{Metrics, Outcome};
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    Begun {
        format: u32,
        version: String,
        identity: String,
        seed: u64,
        /// The earlier run that this one continues.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        continued: Option<Continued>,
    },
    Asked {
        id: u64,
        epsilon: f64,
        net: String,
    },
    /// A candidate that was asked for before the run was killed is evaluated again.
    Again {
        id: u64,
        /// What an earlier evaluation kept.
        kept: u64,
    },
    /// A score at the candidate's next rung.
    Rung {
        id: u64,
        score: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<f64>,
    },
    Told {
        id: u64,
        /// Seconds of the run so far, where they are limited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<f64>,
        #[serde(flatten)]
        outcome: ToldOutcome,
    },
    Ended {
        reason: String,
    },
}

/// The earlier run that a run continues: SHA-256 of the copied files, and the place in the schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Continued {
    pub(crate) replay_buffer: String,
    pub(crate) q_values: String,
    pub(crate) epsilon: f64,
    pub(crate) position: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub(crate) enum ToldOutcome {
    Scored {
        reward: f64,
        train_flag: bool,
        valid: Vec<f64>,
        train: Vec<f64>,
        test: f64,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tests: Vec<f64>,
    },
    Rejected {
        reason: String,
    },
    OutOfMemory {
        reason: String,
    },
    Failed {
        reason: String,
    },
}

impl From<&Outcome> for ToldOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Scored(score) => Self::Scored {
                reward: score.reward,
                train_flag: score.train_flag,
                valid: score.valid_accuracy.clone(),
                train: score.train_accuracy.clone(),
                test: score.test_accuracy,
                tests: score.test_accuracies.clone(),
            },
            Outcome::Rejected { reason } => Self::Rejected { reason: reason.clone() },
            Outcome::OutOfMemory { reason } => Self::OutOfMemory { reason: reason.clone() },
            Outcome::Failed { reason } => Self::Failed { reason: reason.clone() },
        }
    }
}

impl From<ToldOutcome> for Outcome {
    fn from(told: ToldOutcome) -> Self {
        match told {
            ToldOutcome::Scored { reward, train_flag, valid, train, test, tests } => Self::Scored(Metrics {
                reward,
                train_flag,
                valid_accuracy: valid,
                train_accuracy: train,
                test_accuracy: test,
                test_accuracies: tests,
            }),
            ToldOutcome::Rejected { reason } => Self::Rejected { reason },
            ToldOutcome::OutOfMemory { reason } => Self::OutOfMemory { reason },
            ToldOutcome::Failed { reason } => Self::Failed { reason },
        }
    }
}
