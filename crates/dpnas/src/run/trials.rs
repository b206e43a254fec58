//! The scores of a run, candidate by candidate.

use crate::csv::replay_buffer::ReplayFields;
use crate::{EarlierRun, Metrics, ReplayRow};
use dpnas_search::{Candidate, CandidateId, Net, Origin, Row};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A scored architecture.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Trial {
    /// Which candidate it was; `None` if an earlier run scored it, which this one continues.
    pub id: Option<CandidateId>,
    /// The architecture.
    pub net: Arc<Net>,
    /// Metrics of its training.
    pub metrics: Metrics,
}

/// What each candidate of a run scored, and what an earlier run left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trials {
    earlier: Option<EarlierRun>,
    scored: BTreeMap<CandidateId, Trial>,
    best: Option<Trial>,
}

impl Trials {
    /// No scores yet but those of an earlier run.
    pub(crate) fn after(earlier: Option<EarlierRun>) -> Self {
        let mut trials = Self { earlier, ..Self::default() };
        trials.best = trials.ranked().into_iter().next();
        trials
    }

    pub(crate) fn insert(&mut self, candidate: &Candidate, metrics: Metrics) {
        let scored = Trial { id: Some(candidate.id), net: Arc::clone(&candidate.net), metrics };
        if self.best().is_none_or(|best| scored.metrics.reward > best.metrics.reward) {
            self.best = Some(scored.clone());
        }
        self.scored.insert(candidate.id, scored);
    }

    /// The earlier run that is continued.
    pub(crate) fn earlier(&self) -> Option<&EarlierRun> {
        self.earlier.as_ref()
    }

    /// How many candidates were scored, those of the earlier run not counted.
    pub(crate) fn len(&self) -> usize {
        self.scored.len()
    }

    /// The highest reward; the first of equals.
    pub(crate) fn best(&self) -> Option<&Trial> {
        self.best.as_ref()
    }

    /// All scored architectures, the highest reward first, equals in the order of asking after those of the earlier run.
    pub(crate) fn ranked(&self) -> Vec<Trial> {
        let earlier = self.earlier.iter().flat_map(EarlierRun::scored);
        let earlier = earlier.filter_map(|(net, row)| {
            let metrics = row.metrics.clone()?;
            Some(Trial { id: None, net: Arc::clone(net), metrics })
        });
        let mut ranked: Vec<Trial> = earlier.chain(self.scored.values().cloned()).collect();
        ranked.sort_by(|a, b| b.metrics.reward.total_cmp(&a.metrics.reward));
        ranked
    }

    /// A row of the replay buffer with its training's details.
    pub(crate) fn row(&self, row: &Row) -> ReplayRow {
        let metrics = match &row.origin {
            Origin::Scored(id) | Origin::Repeated(id) => self.scored.get(id).map(|scored| scored.metrics.clone()),
            Origin::Rejected(_) => None,
            &Origin::Earlier { row: from } => self.earlier.as_ref().and_then(|earlier| earlier.score(from)),
        };
        ReplayRow { epsilon: row.epsilon, net: row.net.to_string(), metrics }
    }

    /// Row `number` as it stands in the file; a row of an earlier run as it stood there.
    pub(crate) fn fields(&self, number: usize, row: &Row) -> ReplayFields {
        let mut fields = self.row(row).fields();
        if let (&Origin::Earlier { row: from }, Some(earlier)) = (&row.origin, &self.earlier) {
            // A repetition has the metrics of the first row, under its own ε.
            let own = if number == from { 0 } else { 2 };
            fields[own..].clone_from_slice(&earlier.fields(from)[own..]);
        }
        fields
    }
}
