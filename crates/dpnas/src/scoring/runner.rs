//! The loop that scores every architecture under every draw. It can be resumed.

use super::event::{Begun, Event};
use super::files;
use super::report::{DrawOutcome, ScoringError, ScoringEvent, ScoringReport};
use super::{Searched, Target};
use crate::deep_prior::identity;
use crate::evaluate::without_panic;
use crate::run::attempts::Attempts;
use crate::run::journal::Journal;
use crate::{EvaluateDraw, OtherEvaluation, Outcome, RunFolder, ScoreError, StopReason, WeightDraw};
use dpnas_grammar::Net;
use dpnas_seed::Seed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

/// Most draws of a run, of all architectures together.
const MOST_DRAWS: usize = 1_000_000;

/// The journal's name in the run folder.
const JOURNAL: &str = "scores.jsonl";

/// Kind of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Training {
    /// The classifier alone, on a random encoder (H2).
    #[serde(rename = "random")]
    Random,
    /// Encoder and classifier (H3).
    #[serde(rename = "trained")]
    Full,
}

impl fmt::Display for Training {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Random => "random",
            Self::Full => "trained",
        })
    }
}

/// The architectures and draws of a scoring run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoringJob {
    /// The architectures.
    pub targets: Vec<Target>,
    /// The seed from which the seeds of all draws are derived.
    pub seed: Seed,
    /// Whether all architectures share the seeds of the draws.
    pub weights: WeightDraw,
    /// Draws per architecture.
    pub draws: u32,
}

impl ScoringJob {
    /// The seed of one draw of an architecture's weights. Draw 0 has the weights of a search with the same seed.
    pub fn seed_of(&self, net: &Net, draw: u32) -> Seed {
        draw_seed(self.weights.seed(self.seed, net), draw)
    }

    /// Opens the folder of an earlier scoring run and reads its job.
    ///
    /// # Errors
    /// If it is not the folder of a scoring run, or its journal is damaged or in use.
    pub fn of_run(path: impl Into<std::path::PathBuf>) -> Result<(RunFolder, Self), ScoringError> {
        let folder = RunFolder::open_with(path, JOURNAL)?;
        let (_, events) = Journal::resume_with::<Event>(&folder.file(JOURNAL))?;
        match events.first() {
            Some(Event::Begun(begun)) => Ok((folder, begun.job()?)),
            _ => Err(ScoringError::Diverged { found: "no first line of a scoring run".to_owned() }),
        }
    }
}

/// The seed of one draw of weights. Draw 0 has the seed itself, and so the weights of the search. The others have seeds
/// from the stream (seed, "draw", draw).
pub fn draw_seed(seed: Seed, draw: u32) -> Seed {
    match draw {
        0 => seed,
        draw => seed.derive("draw", u64::from(draw)),
    }
}

/// Called with each [`ScoringEvent`]. Breaking ends the run, which can be resumed later.
pub type ScoringHook<'a> = Box<dyn FnMut(&ScoringEvent<'_>) -> ControlFlow<()> + Send + 'a>;

/// Scores architectures under several draws of their weights, in memory or in a folder.
///
/// The order is by training, then by draw, then by architecture: a run that ends early has scores of all architectures.
///
/// # Source
/// SPEC §1, H2 and H3; §8.
pub struct ScoringRunner<'a> {
    job: ScoringJob,
    scorers: BTreeMap<Training, &'a dyn EvaluateDraw>,
    folder: Option<RunFolder>,
    hook: Option<ScoringHook<'a>>,
}

impl fmt::Debug for ScoringRunner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scorers, folder) = (self.identity(), self.folder.as_ref().map(RunFolder::path));
        let mut out = f.debug_struct("ScoringRunner");
        out.field("job", &self.job).field("scorers", &scorers).field("folder", &folder).finish_non_exhaustive()
    }
}

/// Training, draw and architecture: a place in the order of the run.
type Place = (Training, u32, usize);

impl<'a> ScoringRunner<'a> {
    /// A runner in memory. It needs at least one scorer.
    pub fn new(job: ScoringJob) -> Self {
        Self { job, scorers: BTreeMap::new(), folder: None, hook: None }
    }

    /// Adds the scorer of a training.
    #[must_use]
    pub fn scored_by(mut self, training: Training, scorer: &'a dyn EvaluateDraw) -> Self {
        self.scorers.insert(training, scorer);
        self
    }

    /// Keeps the run in a folder. If the folder has a journal, the run is resumed and skips the recorded draws.
    #[must_use]
    pub fn in_folder(mut self, folder: RunFolder) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Calls a hook with each event.
    #[must_use]
    pub fn with_hook(mut self, hook: impl FnMut(&ScoringEvent<'_>) -> ControlFlow<()> + Send + 'a) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Checks the job and whether every scorer accepts every architecture, without computing anything.
    ///
    /// # Errors
    /// [`ScoringError::Nothing`], or [`ScoringError::Unfit`] for the first architecture that does not fit.
    pub fn check(&self) -> Result<(), ScoringError> {
        let missing = match &self.job {
            ScoringJob { draws: 0, .. } => Some("0 draws; use at least 1"),
            job if job.targets.is_empty() => Some("there is no architecture"),
            _ if self.scorers.is_empty() => Some("there is no scorer"),
            _ if self.total() > MOST_DRAWS => Some("more than 1,000,000 draws of all architectures fit no run"),
            _ => None,
        };
        if let Some(missing) = missing {
            return Err(ScoringError::Nothing { missing });
        }
        for target in &self.job.targets {
            for scorer in self.scorers.values() {
                scorer.check(&target.net).map_err(|source| ScoringError::Unfit {
                    place: match target.searched {
                        Some(Searched { row, .. }) => format!("row {row} of the replay buffer "),
                        None => "the architecture ".to_owned(),
                    },
                    net: target.net.to_string(),
                    source: Box::new(source),
                })?;
            }
        }
        Ok(())
    }

    /// Scores every draw that is not recorded yet.
    ///
    /// # Errors
    /// As [`check`](Self::check); if the journal belongs to another run, is damaged or cannot be written; or if a draw
    /// fails. Recorded draws are kept, and the run can be resumed.
    pub fn run(&mut self) -> Result<ScoringReport, ScoringError> {
        self.check()?;
        let (mut done, mut attempts) = (BTreeMap::new(), BTreeMap::new());
        let (mut journal, flow) = self.open_journal(&mut done, &mut attempts)?;
        let result = match flow {
            ControlFlow::Continue(()) => self.advance(&mut done, &attempts, &mut journal),
            ControlFlow::Break(()) => Ok(StopReason::Interrupted),
        };
        // The files must match the journal even after an error. The first error is the cause, so it is returned.
        let report = self.report(done, result.as_ref().map_or(StopReason::Interrupted, StopReason::clone));
        let finished = match &self.folder {
            Some(folder) => files::finish(folder, &report),
            None => Ok(()),
        };
        if let (Some(journal), Err(ScoringError::Failed { .. } | ScoringError::OutOfRange(_))) = (&mut journal, &result)
        {
            // Not killed: the draw is scored again however often the run is resumed. The error above is the one to tell.
            let _ = journal.write(&Event::Ended { reason: "an error of the scorer".to_owned() });
        }
        let stop = result?;
        finished?;
        if let Some(journal) = &mut journal {
            journal.write(&Event::Ended { reason: stop.to_string() })?;
        }
        Ok(report)
    }

    /// Opens or begins the journal and collects its draws in `done`, and those during which the run was killed in
    /// `attempts`. The flow is the hook's answer to `Resumed`.
    fn open_journal(
        &mut self,
        done: &mut BTreeMap<Place, DrawOutcome>,
        attempts: &mut BTreeMap<Place, Attempts>,
    ) -> Result<(Option<Journal>, ControlFlow<()>), ScoringError> {
        let go_on = ControlFlow::Continue(());
        let Some(folder) = &self.folder else { return Ok((None, go_on)) };
        let path = folder.file(JOURNAL);
        let begin = Begun::new(&self.job, self.identity());
        if !path.exists() {
            return Ok((Some(Journal::begin_with(&path, &Event::Begun(begin))?), go_on));
        }
        let (journal, events) = Journal::resume_with::<Event>(&path)?;
        for event in events {
            match event {
                Event::Begun(begun) => self.same_run(&begun)?,
                Event::Scored { net, training, draw, seed, outcome } => {
                    let place = (training, draw, net);
                    let outcome = Outcome::from(outcome);
                    let scored = DrawOutcome { target: net, training, draw, seed: Seed(seed), outcome };
                    let asked = self.scorers.contains_key(&training)
                        && draw < self.job.draws
                        && self.job.targets.get(net).is_some_and(|it| scored.seed == self.job.seed_of(&it.net, draw));
                    if !asked || done.insert(place, scored).is_some() {
                        let found = format!("draw {draw} ({training}, seed {seed}) of architecture {net}");
                        return Err(ScoringError::Diverged { found });
                    }
                }
                Event::Scoring { net, training, draw, kept } => {
                    attempts.entry((training, draw, net)).or_default().begin(kept);
                }
                Event::Ended { .. } => attempts.clear(),
            }
        }
        let total = self.total();
        let flow = self.call(&ScoringEvent::Resumed { done: done.len(), total });
        Ok((Some(journal), flow))
    }

    fn same_run(&self, begun: &Begun) -> Result<(), ScoringError> {
        let now = self.identity();
        let begun_with = identity::current(&begun.identity);
        if begun_with != now {
            return Err(OtherEvaluation::new(begun_with, now).into());
        }
        if begun.job()? != self.job {
            let found = "other architectures, draws or another seed in its first line".to_owned();
            return Err(ScoringError::Diverged { found });
        }
        Ok(())
    }

    fn advance(
        &mut self,
        done: &mut BTreeMap<Place, DrawOutcome>,
        attempts: &BTreeMap<Place, Attempts>,
        journal: &mut Option<Journal>,
    ) -> Result<StopReason, ScoringError> {
        let total = self.total();
        for place in self.places() {
            let (training, draw, index) = place;
            let (Some(target), Some(&scorer)) = (self.job.targets.get(index).cloned(), self.scorers.get(&training))
            else {
                continue;
            };
            if done.contains_key(&place) {
                continue;
            }
            let event = ScoringEvent::Scoring { target: &target, training, draw, done: done.len(), total };
            if self.call(&event).is_break() {
                return Ok(StopReason::Interrupted);
            }
            let seed = self.job.seed_of(&target.net, draw);
            let kept = scorer.kept(&target.net, seed);
            let given_up = attempts.get(&place).and_then(|attempts| attempts.give_up(kept));
            if let (Some(journal), None) = (&mut *journal, &given_up) {
                journal.write(&Event::Scoring { net: index, training, draw, kept })?;
            }
            let score = || without_panic(|| scorer.evaluate_draw(&target.net, seed));
            let outcome = match given_up.map_or_else(score, Ok) {
                Ok(outcome) => outcome,
                Err(ScoreError::Interrupted) => return Ok(StopReason::Interrupted),
                Err(source) => {
                    return Err(ScoringError::Failed { net: target.net.to_string(), training, draw, source });
                }
            };
            outcome.check(&target.net)?;
            if let Some(journal) = journal {
                let (net, seed, outcome) = (index, seed.0, (&outcome).into());
                journal.write(&Event::Scored { net, training, draw, seed, outcome })?;
            }
            let scored = DrawOutcome { target: index, training, draw, seed, outcome };
            done.insert(place, scored.clone());
            let event = ScoringEvent::Scored { target: &target, scored: &scored, done: done.len(), total };
            if self.call(&event).is_break() && done.len() < total {
                return Ok(StopReason::Interrupted);
            }
        }
        Ok(StopReason::Completed)
    }

    /// Every draw of the run, in the order of scoring.
    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let (nets, draws) = (self.job.targets.len(), self.job.draws);
        let of_draw = move |training, draw| (0..nets).map(move |net| (training, draw, net));
        let of_training = move |training| (0..draws).flat_map(move |draw| of_draw(training, draw));
        let trainings: Vec<Training> = self.scorers.keys().copied().collect();
        trainings.into_iter().flat_map(of_training)
    }

    /// The number of draws of the run.
    fn total(&self) -> usize {
        let draws = usize::try_from(self.job.draws).unwrap_or(usize::MAX);
        self.scorers.len().saturating_mul(self.job.targets.len()).saturating_mul(draws)
    }

    fn identity(&self) -> String {
        let named = self.scorers.iter().map(|(training, scorer)| format!("{training}: {}", scorer.identity()));
        named.collect::<Vec<_>>().join("; ")
    }

    fn report(&self, done: BTreeMap<Place, DrawOutcome>, stop: StopReason) -> ScoringReport {
        let mut draws: Vec<DrawOutcome> = done.into_values().collect();
        draws.sort_by_key(|scored| (scored.training, scored.target, scored.draw));
        ScoringReport { job: self.job.clone(), stop, trainings: self.scorers.keys().copied().collect(), draws }
    }

    fn call(&mut self, event: &ScoringEvent<'_>) -> ControlFlow<()> {
        self.hook.as_mut().map_or(ControlFlow::Continue(()), |hook| hook(event))
    }
}
