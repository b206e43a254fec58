//! The scored candidates of a run.

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
    /// The candidate; `None` for an architecture of the earlier run that this run continues.
    pub id: Option<CandidateId>,
    /// The architecture.
    pub net: Arc<Net>,
    /// Metrics of its training.
    pub metrics: Metrics,
}

/// The scored candidates of a run, and the earlier run that it continues.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trials {
    earlier: Option<EarlierRun>,
    scored: BTreeMap<CandidateId, Trial>,
    best: Option<Trial>,
}

impl Trials {
    /// Trials with only the scores of an earlier run.
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

    /// The earlier run.
    pub(crate) fn earlier(&self) -> Option<&EarlierRun> {
        self.earlier.as_ref()
    }

    /// The number of scored candidates, without those of the earlier run.
    pub(crate) fn len(&self) -> usize {
        self.scored.len()
    }

    /// The trial with the highest reward, the first of equal ones.
    pub(crate) fn best(&self) -> Option<&Trial> {
        self.best.as_ref()
    }

    /// All scored architectures, the highest reward first. Of equal rewards, those of the earlier run come first, then
    /// the others in the order of asking.
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

    /// A row of the replay buffer with its metrics.
    pub(crate) fn row(&self, row: &Row) -> ReplayRow {
        let metrics = match &row.origin {
            Origin::Scored(id) | Origin::Repeated(id) => self.scored.get(id).map(|scored| scored.metrics.clone()),
            Origin::Rejected(_) => None,
            &Origin::Earlier { row: from } => self.earlier.as_ref().and_then(|earlier| earlier.score(from)),
        };
        ReplayRow { epsilon: row.epsilon, net: row.net.to_string(), metrics }
    }

    /// The fields of row `number` in the file. A row of an earlier run keeps its fields.
    pub(crate) fn fields(&self, number: usize, row: &Row) -> ReplayFields {
        let mut fields = self.row(row).fields();
        if let (&Origin::Earlier { row: from }, Some(earlier)) = (&row.origin, &self.earlier) {
            // A repetition keeps its ε and net; the metrics are those of the earlier row.
            let own = if number == from { 0 } else { 2 };
            fields[own..].clone_from_slice(&earlier.fields(from)[own..]);
        }
        fields
    }
}
