//! Rebuilding a search from its journal.

use crate::deep_prior::identity;
use crate::run::attempts::Attempts;
use crate::run::earlier::{Q_VALUES, REPLAY_BUFFER};
use crate::run::event::{Continued, Event};
use crate::run::other_evaluation::OtherEvaluation;
use crate::run::report::RunError;
use crate::run::trials::Trials;
use crate::{EarlierRun, Outcome};
use dpnas_search::{Candidate, CandidateId, Feedback, Search};
use std::collections::BTreeMap;

/// A candidate that was asked for but not told.
pub(crate) struct Pending {
    pub(crate) candidate: Candidate,
    /// Number of rungs that it passed.
    pub(crate) passed: usize,
    pub(crate) attempts: Attempts,
}

/// Repeats the journal's asks and tells on a new search, and checks each candidate against the journal. Returns the
/// candidate that was asked for but not told, if any, and the seconds of the run so far.
pub(crate) fn replay(
    search: &mut Search,
    identity: &str,
    events: Vec<Event>,
    trials: &mut Trials,
) -> Result<(Option<Pending>, f64), RunError> {
    let (mut in_flight, mut used) = (BTreeMap::<CandidateId, Pending>::new(), 0.0);
    for event in events {
        match event {
            Event::Begun { identity: begun, seed, continued: other, .. } => {
                let begun = identity::current(&begun);
                if begun != identity {
                    return Err(OtherEvaluation::new(begun, identity.to_owned()).into());
                }
                if seed != search.seed().0 {
                    return Err(RunError::Diverged {
                        journal: format!("seed {seed}"),
                        found: format!("seed {}", search.seed().0),
                    });
                }
                check_continued(other, trials.earlier().map(EarlierRun::continued))?;
            }
            Event::Asked { id, epsilon, net } => {
                let candidate = search.ask().ok().flatten();
                let journal = format!("candidate {id} at ε = {epsilon}: {net}");
                let found = candidate.as_ref().map_or_else(
                    || "the end of the search".to_owned(),
                    |candidate| format!("candidate {} at ε = {}: {}", candidate.id, candidate.epsilon, candidate.net),
                );
                match candidate {
                    Some(candidate) if journal == found => {
                        in_flight.insert(candidate.id, Pending { candidate, passed: 0, attempts: Attempts::first() })
                    }
                    _ => return Err(RunError::Diverged { journal, found }),
                };
            }
            Event::Again { id, kept } => {
                let Some(pending) = in_flight.get_mut(&CandidateId(id)) else { return Err(not_in_flight(id)) };
                pending.attempts.begin(kept);
            }
            Event::Rung { id, score, seconds } => {
                let Some(pending) = in_flight.get_mut(&CandidateId(id)) else { return Err(not_in_flight(id)) };
                pending.passed += 1;
                pending.attempts = Attempts::first();
                if !search.tell_rung(CandidateId(id), score)? {
                    used = seconds.unwrap_or(used);
                    in_flight.remove(&CandidateId(id));
                }
            }
            Event::Told { id, seconds, outcome } => {
                used = seconds.unwrap_or(used);
                let Some(told) = in_flight.remove(&CandidateId(id)) else { return Err(not_in_flight(id)) };
                tell(search, trials, &told.candidate, &Outcome::from(outcome))?;
            }
            // It was not killed.
            Event::Ended { .. } => {
                in_flight.values_mut().for_each(|pending| pending.attempts = Attempts::default());
            }
        }
    }
    Ok((in_flight.into_values().next(), used))
}

fn not_in_flight(id: u64) -> RunError {
    RunError::Diverged {
        journal: format!("an outcome of candidate {id}"),
        found: "no such candidate in flight".to_owned(),
    }
}

/// Checks that the earlier run is the one that this run began with.
fn check_continued(begun: Option<Continued>, now: Option<Continued>) -> Result<(), RunError> {
    let (begun, now) = match (begun, now) {
        (Some(begun), Some(now)) => (begun, now),
        (None, None) => return Ok(()),
        (begun, now) => return Err(RunError::Diverged { journal: describe(begun), found: describe(now) }),
    };
    let files = [(REPLAY_BUFFER, &begun.replay_buffer, &now.replay_buffer), (Q_VALUES, &begun.q_values, &now.q_values)];
    if let Some((file, begun, now)) = files.into_iter().find(|(_, begun, now)| begun != now) {
        return Err(RunError::EarlierFile { file, begun: begun.clone(), now: now.clone() });
    }
    if begun == now {
        Ok(())
    } else {
        Err(RunError::Diverged { journal: describe(Some(begun)), found: describe(Some(now)) })
    }
}

fn describe(continued: Option<Continued>) -> String {
    match continued {
        Some(Continued { epsilon, position, .. }) => {
            format!("an earlier run up to ε = {epsilon:?}, position {position}")
        }
        None => "no earlier run".to_owned(),
    }
}

/// Tells the search an outcome and keeps the metrics.
pub(crate) fn tell(
    search: &mut Search,
    trials: &mut Trials,
    candidate: &Candidate,
    outcome: &Outcome,
) -> Result<(), RunError> {
    let feedback = match outcome {
        Outcome::Scored(score) => Feedback::Scored { reward: score.reward },
        Outcome::Rejected { .. } => Feedback::Rejected,
        Outcome::OutOfMemory { .. } | Outcome::Failed { .. } => Feedback::OutOfMemory,
    };
    search.tell(candidate.id, feedback)?;
    if let Outcome::Scored(score) = outcome {
        trials.insert(candidate, score.clone());
    }
    Ok(())
}
