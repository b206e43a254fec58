//! Rebuilding a search from its journal.

use crate::Outcome;
use crate::journal::{Event, ToldOutcome};
use crate::run_report::RunError;
use crate::scores::Scores;
use dpnas_search::{Candidate, CandidateId, Outcome as Told, Search};
use std::collections::BTreeMap;

/// Repeats the journal's asks and tells on a search that has not begun, and checks that each ask gives what the journal
/// says. Returns the candidate that was asked for but not told.
pub(crate) fn replay(
    search: &mut Search,
    identity: &str,
    events: Vec<Event>,
    scores: &mut Scores,
) -> Result<Option<Candidate>, RunError> {
    let mut in_flight = BTreeMap::new();
    for event in events {
        match event {
            Event::Begun { identity: begun, seed, .. } => {
                if begun != identity {
                    return Err(RunError::OtherEvaluation { begun, now: identity.to_owned() });
                }
                if seed != search.seed().0 {
                    return Err(RunError::Diverged {
                        journal: format!("seed {seed}"),
                        found: format!("seed {}", search.seed().0),
                    });
                }
            }
            Event::Asked { id, epsilon, net } => {
                let candidate = search.ask().ok().flatten();
                let journal = format!("candidate {id} at ε = {epsilon}: {net}");
                let found = candidate.as_ref().map_or_else(
                    || "the end of the search".to_owned(),
                    |candidate| format!("candidate {} at ε = {}: {}", candidate.id, candidate.epsilon, candidate.net),
                );
                match candidate {
                    Some(candidate) if journal == found => in_flight.insert(candidate.id, candidate),
                    _ => return Err(RunError::Diverged { journal, found }),
                };
            }
            Event::Told { id, outcome } => {
                let Some(candidate) = in_flight.remove(&CandidateId(id)) else {
                    return Err(RunError::Diverged {
                        journal: format!("an outcome of candidate {id}"),
                        found: "no such candidate in flight".to_owned(),
                    });
                };
                tell(search, scores, &candidate, &Outcome::from(ToldOutcome::clone(&outcome)))?;
            }
            Event::Ended { .. } => {}
        }
    }
    Ok(in_flight.into_values().next())
}

/// Tells the search an outcome and keeps its details.
pub(crate) fn tell(
    search: &mut Search,
    scores: &mut Scores,
    candidate: &Candidate,
    outcome: &Outcome,
) -> Result<(), RunError> {
    let told = match outcome {
        Outcome::Scored(score) => Told::Scored { reward: score.reward },
        Outcome::Rejected { .. } => Told::Rejected,
        Outcome::OutOfMemory { .. } => Told::OutOfMemory,
    };
    search.tell(candidate.id, told)?;
    if let Outcome::Scored(score) = outcome {
        scores.insert(candidate, score.clone());
    }
    Ok(())
}
