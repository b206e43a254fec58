//! The scores of a run, candidate by candidate.

use crate::{ReplayRow, Score};
use dpnas_search::{Candidate, CandidateId, Net, Origin, Row};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A scored architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Which candidate it was.
    pub id: CandidateId,
    /// The architecture.
    pub net: Arc<Net>,
    /// What its training told.
    pub score: Score,
}

/// What each candidate of a run scored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scores {
    scored: BTreeMap<CandidateId, Scored>,
    best: Option<CandidateId>,
}

impl Scores {
    pub(crate) fn insert(&mut self, candidate: &Candidate, score: Score) {
        let better = self.best().is_none_or(|best| score.reward > best.score.reward);
        if better {
            self.best = Some(candidate.id);
        }
        let scored = Scored { id: candidate.id, net: Arc::clone(&candidate.net), score };
        self.scored.insert(candidate.id, scored);
    }

    pub(crate) fn len(&self) -> usize {
        self.scored.len()
    }

    /// The highest reward; the first of equals.
    pub(crate) fn best(&self) -> Option<&Scored> {
        self.best.and_then(|id| self.scored.get(&id))
    }

    /// All scored architectures, the highest reward first, equals in the order of asking.
    pub(crate) fn ranked(&self) -> Vec<Scored> {
        let mut ranked: Vec<Scored> = self.scored.values().cloned().collect();
        ranked.sort_by(|a, b| b.score.reward.total_cmp(&a.score.reward));
        ranked
    }

    /// A row of the replay buffer with its training's details.
    pub(crate) fn row(&self, row: &Row) -> ReplayRow {
        let score = match &row.origin {
            Origin::Scored(id) | Origin::Repeated(id) => self.scored.get(id).map(|scored| scored.score.clone()),
            Origin::Rejected(_) => None,
        };
        ReplayRow { epsilon: row.epsilon, net: row.net.to_string(), score }
    }
}
