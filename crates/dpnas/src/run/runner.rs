//! The loop around the search: ask, evaluate, record, tell.

use crate::evaluate::without_panic;
use crate::run::event::Event;
use crate::run::files::Artifacts;
use crate::run::journal::Journal;
use crate::run::pace::Pace;
use crate::run::report::{Report, RunError, RunEvent, StopReason, family};
use crate::run::resume::{Pending, replay, tell};
use crate::run::trials::Trials;
use crate::{EarlierRun, Evaluate, EvaluateError, Metrics, Outcome, ReplayRow, RunFolder};
use dpnas_search::{Candidate, Search};
use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Default of [`Runner::with_max_fruitless`].
pub const MAX_FRUITLESS: u64 = 500;

/// Called with each [`RunEvent`]. Breaking ends the run, which can be resumed later.
pub type Hook<'a> = Box<dyn FnMut(&RunEvent<'_>) -> ControlFlow<()> + Send + 'a>;

/// Runs a search with an evaluator, in memory or in a folder.
///
/// ```
/// use dpnas::prelude::*;
///
/// /// Rewards short nets.
/// struct Toy;
///
/// impl Evaluate for Toy {
///     fn identity(&self) -> String {
///         "toy".into()
///     }
///
///     fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
///         Ok(Outcome::scored(1.0 / candidate.net.layers().len() as f64))
///     }
/// }
///
/// let space = SpaceSettings::small().check(ImageShape::square(1, 8), 10)?;
/// let settings = SearchSettings { schedule: "1.0:10,0.1:5".parse()?, ..SearchSettings::paper() };
/// let report = Runner::new(Search::new(space, settings, Seed(0))?, Toy).run()?;
/// println!("{} of {} rows: {}", report.best[0].net, report.rows.len(), report.best[0].metrics.reward);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Runner<'a, E> {
    search: Search,
    evaluator: E,
    rungs: Vec<Box<dyn Evaluate + 'a>>,
    earlier: Option<EarlierRun>,
    folder: Option<RunFolder>,
    limit: Option<u64>,
    time: Option<Duration>,
    max_fruitless: u64,
    hook: Option<Hook<'a>>,
}

impl<E: Evaluate> fmt::Debug for Runner<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (evaluator, folder) = (self.identity(), self.folder.as_ref().map(RunFolder::path));
        f.debug_struct("Runner").field("evaluator", &evaluator).field("folder", &folder).finish_non_exhaustive()
    }
}

impl<'a, E: Evaluate> Runner<'a, E> {
    /// A runner in memory, without a limit.
    pub fn new(search: Search, evaluator: E) -> Self {
        Self {
            search,
            evaluator,
            rungs: Vec::new(),
            earlier: None,
            folder: None,
            limit: None,
            time: None,
            max_fruitless: MAX_FRUITLESS,
            hook: None,
        }
    }

    /// Sets the earlier run from which [`EarlierRun::search`] made the search. Its rows come first in the replay
    /// buffer, and its files are copied into the run's folder.
    #[must_use]
    pub fn continuing(mut self, earlier: EarlierRun) -> Self {
        self.earlier = Some(earlier);
        self
    }

    /// Adds a rung: an evaluation that is cheaper than the next one, for example on fewer images. Candidates are scored by the
    /// rungs first, in the order of adding. Only those that are good enough ([`Search::tell_rung`]) get to the evaluator and into
    /// the replay buffer. The search needs a strategy.
    #[must_use]
    pub fn with_rung(mut self, rung: impl Evaluate + 'a) -> Self {
        self.rungs.push(Box::new(rung));
        self
    }

    /// Keeps the run in a folder. If the folder has a journal, the run is resumed: the search is rebuilt from the
    /// journal and gets the same result as an uninterrupted one.
    #[must_use]
    pub fn in_folder(mut self, folder: RunFolder) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Ends the run after this many evaluations. Those before a resume do not count.
    #[must_use]
    pub fn with_limit(mut self, evaluations: u64) -> Self {
        self.limit = Some(evaluations);
        self
    }

    /// Ends the run after the first evaluation with which it has taken this time, that before a resume included. The journal
    /// has the seconds, so a repeated run ends at the same place.
    #[must_use]
    pub fn with_time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// Ends the run after this many evaluations in a row that do not count towards the schedule. The default is
    /// [`MAX_FRUITLESS`]. Evaluations before a resume are included.
    ///
    /// # Source
    /// SPEC §4; difference D28.
    #[must_use]
    pub fn with_max_fruitless(mut self, evaluations: u64) -> Self {
        self.max_fruitless = evaluations;
        self
    }

    /// Calls a hook with each event.
    #[must_use]
    pub fn with_hook(mut self, hook: impl FnMut(&RunEvent<'_>) -> ControlFlow<()> + Send + 'a) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Runs until the schedule is complete, the limit is reached or a hook breaks.
    ///
    /// # Errors
    /// If the search was asked before; if the journal belongs to another run, is damaged or cannot be written; or if an
    /// evaluation fails or returns a metric out of range. Recorded outcomes are kept, and the run can be resumed.
    pub fn run(mut self) -> Result<Report, RunError> {
        if !self.search.is_fresh() {
            return Err(RunError::NotFresh);
        }
        let given = self.earlier.as_ref().map_or(0, |earlier| earlier.rows().len());
        if self.search.earlier_rows() != given {
            return Err(RunError::EarlierRun { search: self.search.earlier_rows(), given });
        }
        let mut trials = Trials::after(self.earlier.clone());
        let clock = Clock::begin();
        let (mut journal, pending, used) = self.open_journal(&mut trials)?;
        let clock = Clock { used, ..clock };
        let resumed = trials.len();
        let artifacts = self.folder.as_ref().map(|folder| Artifacts::open(folder, self.search.rows(), &trials));
        let mut artifacts = artifacts.transpose()?;
        let result = self.advance(&mut trials, pending, clock, &mut journal, &mut artifacts);
        // The files must match the journal even after an error. The first error is the cause, so it is returned.
        let finished = artifacts.as_mut().map_or(Ok(()), |artifacts| artifacts.finish(&self.search, &trials));
        if let Err(RunError::Evaluate(_) | RunError::OutOfRange(_)) = result {
            // Not killed: the candidate is evaluated again however often the run is resumed. The error above is the one to tell.
            let _ = write(&mut journal, || Event::Ended { reason: "an error of the evaluation".to_owned() });
        }
        let (stop, evaluated) = result?;
        finished?;
        write(&mut journal, || Event::Ended { reason: stop.to_string() })?;
        Ok(Report::new(&self.search, &trials, stop, evaluated, resumed))
    }

    /// Opens or begins the journal. Returns it with the candidate that was asked for but not told before a resume, and the
    /// seconds until then.
    fn open_journal(&mut self, trials: &mut Trials) -> Result<(Option<Journal>, Option<Pending>, f64), RunError> {
        let Some(folder) = &self.folder else { return Ok((None, None, 0.0)) };
        let (path, identity) = (folder.file("journal.jsonl"), self.identity());
        if !path.exists() {
            let continued = self.earlier.as_ref().map(EarlierRun::continued);
            if let Some(earlier) = &self.earlier {
                earlier.copy_into(folder)?;
            }
            return Ok((Some(Journal::begin(&path, &identity, self.search.seed().0, continued)?), None, 0.0));
        }
        let (journal, events) = Journal::resume(&path)?;
        let (pending, used) = replay(&mut self.search, &identity, events, trials)?;
        let progress = self.search.progress();
        if self.call(&RunEvent::Resumed { evaluated: trials.len(), progress }).is_break() {
            self.limit = Some(0);
        }
        Ok((Some(journal), pending, used))
    }

    fn identity(&self) -> String {
        let rungs = self.rungs.iter().map(|rung| format!("; rung ({})", rung.identity()));
        self.evaluator.identity() + &rungs.collect::<String>()
    }

    fn advance(
        &mut self,
        trials: &mut Trials,
        mut pending: Option<Pending>,
        clock: Clock,
        journal: &mut Option<Journal>,
        artifacts: &mut Option<Artifacts>,
    ) -> Result<(StopReason, u64), RunError> {
        let mut evaluated = 0;
        let mut seconds = clock.used;
        let mut pace = Pace::default();
        loop {
            if self.time.is_some_and(|time| seconds >= time.as_secs_f64()) && !self.search.is_finished() {
                return Ok((StopReason::TimeIsOver, evaluated));
            }
            if self.limit.is_some_and(|limit| evaluated >= limit) && !self.search.is_finished() {
                return Ok((StopReason::LimitReached, evaluated));
            }
            let fruitless = self.search.progress().fruitless;
            if fruitless >= self.max_fruitless {
                return Ok((StopReason::Fruitless { evaluations: fruitless }, evaluated));
            }
            let (candidate, passed, given_up) = match pending.take() {
                Some(Pending { candidate, passed, attempts }) => {
                    let (id, kept) = (candidate.id.0, self.evaluator.kept(&candidate));
                    let given_up = attempts.give_up(kept);
                    if given_up.is_none() {
                        write(journal, || Event::Again { id, kept })?;
                    }
                    (candidate, passed, given_up)
                }
                None => match self.search.ask() {
                    Ok(Some(candidate)) => {
                        write(journal, || Event::Asked {
                            id: candidate.id.0,
                            epsilon: candidate.epsilon,
                            net: candidate.net.to_string(),
                        })?;
                        (candidate, 0, None)
                    }
                    Ok(None) => return Ok((StopReason::Completed, evaluated)),
                    Err(error) => return Ok((StopReason::Barren(error), evaluated)),
                },
            };
            if pace.renew(|| self.so_far(trials, artifacts)).transpose()?.is_some_and(|flow| flow.is_break()) {
                return Ok((StopReason::Interrupted, evaluated));
            }
            let progress = self.search.progress();
            if self.call(&RunEvent::Evaluating { candidate: &candidate, progress }).is_break() {
                return Ok((StopReason::Interrupted, evaluated));
            }
            let evaluated_now = match given_up {
                Some(outcome) => Ok(Some(outcome)),
                None => self.evaluate(&candidate, passed, trials, (clock, &mut seconds), journal),
            };
            let outcome = match evaluated_now {
                Ok(Some(outcome)) => outcome,
                Ok(None) => {
                    evaluated += 1;
                    continue;
                }
                Err(RunError::Evaluate(EvaluateError::Interrupted)) => {
                    return Ok((StopReason::Interrupted, evaluated));
                }
                Err(error) => return Err(error),
            };
            seconds = clock.seconds();
            let recorded = self.time.map(|_| seconds);
            write(journal, || Event::Told { id: candidate.id.0, seconds: recorded, outcome: (&outcome).into() })?;
            evaluated += 1;
            tell(&mut self.search, trials, &candidate, &outcome)?;
            if let Some(artifacts) = artifacts {
                artifacts.update(self.search.rows(), trials)?;
            }
            let progress = self.search.progress();
            let event = RunEvent::Told { candidate: &candidate, outcome: &outcome, progress, best: trials.best() };
            if self.call(&event).is_break() {
                return Ok((StopReason::Interrupted, evaluated));
            }
        }
    }

    /// Scores a candidate at the rungs that it did not pass yet, then with the evaluator; `None` if a rung stopped it, with the
    /// seconds until then.
    fn evaluate(
        &mut self,
        candidate: &Candidate,
        passed: usize,
        trials: &Trials,
        (clock, seconds): (Clock, &mut f64),
        journal: &mut Option<Journal>,
    ) -> Result<Option<Outcome>, RunError> {
        for rung in passed..self.rungs.len() {
            let outcome = without_panic(|| self.rungs[rung].evaluate(candidate))?;
            outcome.check(&candidate.net)?;
            let Outcome::Scored(Metrics { reward: score, .. }) = outcome else { return Ok(Some(outcome)) };
            let now = clock.seconds();
            let recorded = self.time.map(|_| now);
            write(journal, || Event::Rung { id: candidate.id.0, score, seconds: recorded })?;
            let goes_on = self.search.tell_rung(candidate.id, score)?;
            let (progress, best) = (self.search.progress(), trials.best());
            let flow = self.call(&RunEvent::Rung { candidate, rung, score, goes_on, progress, best });
            if flow.is_break() {
                return Err(EvaluateError::Interrupted.into());
            }
            if !goes_on {
                *seconds = now;
                return Ok(None);
            }
        }
        let outcome = without_panic(|| self.evaluator.evaluate(candidate))?;
        outcome.check(&candidate.net)?;
        Ok(Some(outcome))
    }

    /// Renews the picture, and gives the hook the run so far.
    fn so_far(&mut self, trials: &Trials, artifacts: &Option<Artifacts>) -> Result<ControlFlow<()>, RunError> {
        if let Some(artifacts) = artifacts {
            artifacts.draw(self.search.rows())?;
        }
        if self.hook.is_none() {
            return Ok(ControlFlow::Continue(()));
        }
        let rows: Vec<ReplayRow> = self.search.rows().iter().map(|row| trials.row(row)).collect();
        let (best, family, progress) = (trials.ranked(), family(&self.search, trials), self.search.progress());
        Ok(self.call(&RunEvent::SoFar { rows: &rows, best: &best, family: &family, progress }))
    }

    fn call(&mut self, event: &RunEvent<'_>) -> ControlFlow<()> {
        self.hook.as_mut().map_or(ControlFlow::Continue(()), |hook| hook(event))
    }
}

/// The time that a run has taken.
#[derive(Clone, Copy)]
struct Clock {
    begun: Instant,
    /// Seconds before a resume.
    used: f64,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "clock: the user limits a run's time, and the journal records it")]
    fn begin() -> Self {
        Self { begun: Instant::now(), used: 0.0 }
    }

    fn seconds(self) -> f64 {
        self.used + self.begun.elapsed().as_secs_f64()
    }
}

/// Writes an event if there is a journal.
fn write(journal: &mut Option<Journal>, event: impl FnOnce() -> Event) -> Result<(), RunError> {
    match journal {
        Some(journal) => Ok(journal.write(&event())?),
        None => Ok(()),
    }
}
