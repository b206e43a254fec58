//! Events of the journal of a scoring run, `scores.jsonl`: the job and each finished draw.
//!
//! ```text
//! {"event":"begun","format":2,"version":"0.1.0","identity":"…","seed":0,"draws":2,"nets":[{"net":"[…]","group":"low","row":7,"reward":0.31}]}
//! {"event":"scoring","net":0,"training":"random","draw":0,"kept":0}
//! {"event":"scored","net":0,"training":"random","draw":0,"seed":0,"outcome":"scored","reward":0.3,"train_flag":true,"valid":[…],"train":[…],"test":0.3,"tests":[…]}
//! {"event":"scored","net":0,"training":"random","draw":1,"seed":991,"outcome":"out-of-memory","reason":"…"}
//! {"event":"ended","reason":"completed"}
//! ```
//!
//! A draw during which the run is killed twice, with the same `kept` before, has the outcome `failed`.
//!
//! It is written, synced, locked and read in the same way as the journal of a search.

use super::runner::{ScoringJob, Training};
use super::{Group, Searched, Target};
use crate::WeightDraw;
use crate::run::event::ToldOutcome;
use crate::run::journal::JOURNAL_FORMAT;
use dpnas_grammar::ParseError;
use dpnas_seed::Seed;
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    Begun(Begun),
    /// A draw is about to be scored.
    Scoring {
        net: usize,
        training: Training,
        draw: u32,
        kept: u64,
    },
    Scored {
        /// Index of the architecture in the first line.
        net: usize,
        training: Training,
        draw: u32,
        seed: u64,
        #[serde(flatten)]
        outcome: ToldOutcome,
    },
    Ended {
        reason: String,
    },
}

/// The first line: the job and the identity of its scorers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Begun {
    format: u32,
    version: String,
    pub(crate) identity: String,
    seed: u64,
    draws: u32,
    #[serde(default, skip_serializing_if = "WeightDraw::is_default")]
    weights: WeightDraw,
    nets: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    net: String,
    group: Group,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reward: Option<f64>,
}

impl Begun {
    pub(crate) fn new(job: &ScoringJob, identity: String) -> Self {
        let line = |target: &Target| Line {
            net: target.net.to_string(),
            group: target.group,
            row: target.searched.map(|searched| searched.row),
            reward: target.searched.map(|searched| searched.reward),
        };
        Self {
            format: JOURNAL_FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            identity,
            seed: job.seed.0,
            draws: job.draws,
            weights: job.weights,
            nets: job.targets.iter().map(line).collect(),
        }
    }

    /// The job of the run.
    pub(crate) fn job(&self) -> Result<ScoringJob, ParseError> {
        let target = |line: &Line| {
            let searched = line.row.zip(line.reward).map(|(row, reward)| Searched { row, reward });
            Ok(Target { net: line.net.parse()?, group: line.group, searched })
        };
        let targets = self.nets.iter().map(target).collect::<Result<_, _>>()?;
        Ok(ScoringJob { targets, seed: Seed(self.seed), draws: self.draws, weights: self.weights })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_run_does_comes_back_from_the_first_line() {
        let net = |text: &str| text.parse::<dpnas_grammar::Net>().unwrap();
        let searched = Some(Searched { row: 7, reward: 1.0 / 3.0 });
        let mut job = ScoringJob {
            targets: vec![
                Target { net: net("[C(8,3,1,1,1), SM(10)]"), group: Group::Low, searched },
                Target::given(net("[C(16,3,1,1,1), SM(10)]")),
            ],
            seed: Seed(u64::MAX),
            draws: 3,
            weights: WeightDraw::PerSearch,
        };
        for weights in [WeightDraw::PerSearch, WeightDraw::PerCandidate] {
            job.weights = weights;
            let text = serde_json::to_string(&Event::Begun(Begun::new(&job, "test".to_owned()))).unwrap();
            assert!(text.starts_with("{\"event\":\"begun\",\"format\":2,"), "{text}");
            assert_eq!(text.contains("\"weights\":\"per-candidate\""), weights == WeightDraw::PerCandidate, "{text}");
            let Event::Begun(begun) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
            assert_eq!(begun.job().unwrap(), job);
            assert_eq!(begun.identity, "test");
        }
    }

    #[test]
    fn the_lines_are_those_of_the_documentation() {
        let outcome = ToldOutcome::OutOfMemory { reason: "large".to_owned() };
        let event = Event::Scored { net: 1, training: Training::Full, draw: 2, seed: 3, outcome };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(
            text,
            "{\"event\":\"scored\",\"net\":1,\"training\":\"trained\",\"draw\":2,\"seed\":3,\
             \"outcome\":\"out-of-memory\",\"reason\":\"large\"}"
        );
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
