//! The loop that lets every method learn every stream. It can be resumed.

use super::event::Event;
use super::files;
use super::job::check;
use super::{
    ContinualError, ContinualEvent, ContinualJob, ContinualReport, Features, Input, LearnError, Learned, Learner,
    Method, Protocol, RowSource, Rows, Stream, Task,
};
use crate::hex::hex;
use crate::run::journal::{JOURNAL_FORMAT, Journal};
use crate::{OtherEvaluation, RunFolder, ScoreError, StopReason};
use dpnas_heads::{HeadError, LinearHead, Statistics, check_rows};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The journal's name in the run folder.
pub(crate) const JOURNAL: &str = "continual.jsonl";

/// Most training rows that choose grids and kernel widths.
const SAMPLE: usize = 1024;

/// Called with each [`ContinualEvent`]. Breaking ends the run, which can be resumed later.
pub type ContinualHook<'a> = Box<dyn FnMut(&ContinualEvent<'_>) -> ControlFlow<()> + Send + 'a>;

/// Lets every method of a job learn every stream, in memory or in a folder.
///
/// The order is by draw, then by class order, then by method: the rows of one draw are in memory at a time.
pub struct ContinualRunner<'a> {
    job: ContinualJob,
    source: &'a dyn RowSource,
    streams: Vec<Stream>,
    start: Option<Statistics>,
    keeps_statistics: bool,
    final_statistics: Option<Statistics>,
    folder: Option<RunFolder>,
    hook: Option<ContinualHook<'a>>,
    stop: Arc<AtomicBool>,
}

impl fmt::Debug for ContinualRunner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.as_ref().map(RunFolder::path);
        let mut out = f.debug_struct("ContinualRunner");
        out.field("job", &self.job).field("source", &self.source).field("folder", &folder).finish_non_exhaustive()
    }
}

/// Draw, class order and place of the method: a place in the order of the run.
type Place = (u32, usize, usize);

impl<'a> ContinualRunner<'a> {
    /// A runner in memory. Everything is checked before anything is computed; `budget` bytes are for the rows of one draw and
    /// for the statistics of one method.
    ///
    /// # Errors
    /// A job without methods, orders or draws, a method twice, more draws than there are, methods on pixels of a source without
    /// them, steps that leave out a class, a class without training rows, or rows and statistics that do not fit the budget.
    pub fn new(job: ContinualJob, source: &'a dyn RowSource, budget: u64) -> Result<Self, ContinualError> {
        check(&job, source, budget)?;
        let seed = |order: usize| job.seed.derive("stream", order as u64);
        let (labels, classes) = (source.train_labels(), source.classes());
        let streams = job.orders.iter().enumerate();
        let streams = streams.map(|(at, order)| Stream::new(labels, classes, &job.steps, order, seed(at)));
        let streams: Vec<Stream> = streams.collect::<Result<_, _>>()?;
        let (steps, draws) = (streams[0].steps.len() as u64, u64::from(job.draws));
        let accuracies = steps * steps * (streams.len() * job.methods.len()) as u64 * draws;
        let needed = 16 * accuracies + 8 * (labels.len() * streams.len()) as u64;
        if needed > budget {
            return Err(ContinualError::Job {
                problem: format!(
                    "the streams and their accuracy matrices of {steps} × {steps} take {needed} bytes, the memory budget is \
                     {budget} bytes: use fewer steps, orders or draws"
                ),
            });
        }
        Ok(Self {
            streams,
            job,
            source,
            start: None,
            keeps_statistics: false,
            final_statistics: None,
            folder: None,
            hook: None,
            stop: Arc::default(),
        })
    }

    /// Keeps the run in a folder. If the folder has a journal, the run is resumed and skips the recorded streams.
    #[must_use]
    pub fn in_folder(mut self, folder: RunFolder) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Calls a hook with each event.
    #[must_use]
    pub fn with_hook(mut self, hook: impl FnMut(&ContinualEvent<'_>) -> ControlFlow<()> + Send + 'a) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Ends learning early, between blocks of rows, once the flag is set.
    #[must_use]
    pub fn with_stop_flag(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Lets every method go on from these statistics, for example of another site.
    ///
    /// # Errors
    /// If a method cannot, there are several draws, or they have another number of features or classes.
    pub fn starting_from(mut self, start: Statistics) -> Result<Self, ContinualError> {
        self.check_state()?;
        let expected = self.source.features(Input::Embedding).unwrap_or_default();
        if start.features() != expected {
            return Err(HeadError::Features { expected, found: start.features() }.into());
        }
        if let Some((class, _)) = start.counts().into_iter().find(|(class, _)| *class >= self.source.classes()) {
            let classes = self.source.classes();
            return Err(ContinualError::Job {
                problem: format!(
                    "the statistics have class {class}, the rows have {classes} classes: they are of other data"
                ),
            });
        }
        if start.grid().is_some() != self.job.settings.exact {
            return Err(HeadError::Arithmetic.into());
        }
        if start.rows() + self.source.train_labels().len() as u64 > Statistics::MOST_ROWS {
            return Err(HeadError::TooManyRows.into());
        }
        if !start.origin().is_empty() && start.origin() != self.source.encoder() {
            let (expected, found) = (self.source.encoder(), start.origin().to_owned());
            return Err(HeadError::Origin { expected, found }.into());
        }
        self.start = Some(start);
        Ok(self)
    }

    /// Keeps the [`statistics`](Self::statistics) at the end of the run.
    ///
    /// # Errors
    /// If a method does not learn from statistics of the rows alone, or there are several draws.
    pub fn keeping_statistics(mut self) -> Result<Self, ContinualError> {
        self.check_state()?;
        self.keeps_statistics = true;
        Ok(self)
    }

    fn check_state(&self) -> Result<(), ContinualError> {
        let problem = match self.job.methods.iter().find(|method| !method.has_statistics()) {
            Some(method) => {
                format!("{method} keeps no statistics that could be saved or loaded: use ridge, lda or ncm")
            }
            None if self.job.draws > 1 => "statistics belong to one draw of the weights: use 1 draw".to_owned(),
            None => return Ok(()),
        };
        Err(ContinualError::Job { problem })
    }

    /// The statistics at the end of the streams, which are the same for all orders if sums are exact. `None` before the end, or
    /// without [`keeping_statistics`](Self::keeping_statistics).
    pub fn statistics(&self) -> Option<&Statistics> {
        self.final_statistics.as_ref()
    }

    /// Learns every stream that is not recorded yet.
    ///
    /// # Errors
    /// If the journal belongs to another run, is damaged or cannot be written; or if rows cannot be computed or learned.
    /// Recorded streams are kept, and the run can be resumed.
    pub fn run(&mut self) -> Result<ContinualReport, ContinualError> {
        let mut done = BTreeMap::new();
        let (mut journal, flow) = self.open_journal(&mut done)?;
        let result = match flow {
            ControlFlow::Continue(()) => self.advance(&mut done, &mut journal),
            ControlFlow::Break(()) => Ok(StopReason::Interrupted),
        };
        // The files must match the journal even after an error. The first error is the cause, so it is returned.
        let report = self.report(done, result.as_ref().map_or(StopReason::Interrupted, StopReason::clone));
        let finished = match &self.folder {
            Some(folder) => files::finish(folder, &report, &self.streams),
            None => Ok(()),
        };
        let stop = result?;
        finished?;
        if let Some(journal) = &mut journal {
            journal.write(&Event::Ended { reason: stop.to_string() })?;
        }
        Ok(report)
    }

    /// Opens or begins the journal and collects its streams in `done`. The flow is the hook's answer to `Resumed`.
    fn open_journal(
        &mut self,
        done: &mut BTreeMap<Place, Learned>,
    ) -> Result<(Option<Journal>, ControlFlow<()>), ContinualError> {
        let go_on = ControlFlow::Continue(());
        let Some(folder) = &self.folder else { return Ok((None, go_on)) };
        let (path, identity) = (folder.file(JOURNAL), self.identity()?);
        if !path.exists() {
            let (format, version) = (JOURNAL_FORMAT, env!("CARGO_PKG_VERSION").to_owned());
            let begun = Event::Begun { format, version, identity, job: self.job.comparable() };
            return Ok((Some(Journal::begin_with(&path, &begun)?), go_on));
        }
        let (journal, events) = Journal::resume_with::<Event>(&path)?;
        if !matches!(events.first(), Some(Event::Begun { .. })) {
            return Err(ContinualError::Diverged { found: "no first line of a run".to_owned() });
        }
        let totals: Vec<_> = self.streams.iter().map(|stream| stream.counts(self.source.test_labels())).collect();
        for event in events {
            match event {
                Event::Begun { identity: begun, job, .. } => {
                    if begun != identity {
                        return Err(OtherEvaluation::new(begun, identity).into());
                    }
                    if job != self.job.comparable() {
                        return Err(ContinualError::Diverged { found: "another job in its first line".to_owned() });
                    }
                }
                Event::Learned(learned) => {
                    let method = self.job.methods.iter().position(|&method| method == learned.method);
                    let totals = totals.get(learned.order);
                    let asked =
                        learned.draw < self.job.draws && totals.is_some_and(|totals| learned.matrix.is_of(totals));
                    let (draw, order) = (learned.draw, learned.order);
                    let found = format!("{} of draw {draw}, order {order}", learned.method);
                    match method.filter(|_| asked) {
                        Some(method) if !done.contains_key(&(draw, order, method)) => {
                            done.insert((draw, order, method), learned);
                        }
                        _ => return Err(ContinualError::Diverged { found }),
                    }
                }
                Event::Ended { .. } => {}
            }
        }
        let total = self.places().count();
        let flow = self.call(&ContinualEvent::Resumed { done: done.len(), total });
        Ok((Some(journal), flow))
    }

    fn advance(
        &mut self,
        done: &mut BTreeMap<Place, Learned>,
        journal: &mut Option<Journal>,
    ) -> Result<StopReason, ContinualError> {
        let total = self.places().count();
        let mut rows: Option<(u32, DrawRows)> = None;
        for place in self.places().collect::<Vec<_>>() {
            let (draw, order, at) = place;
            // The statistics are not in the journal: the last stream is learned again for them.
            let last = self.keeps_statistics && (draw + 1, order + 1, at + 1) == self.ends();
            if done.contains_key(&place) && !last {
                continue;
            }
            let method = self.job.methods[at];
            if rows.as_ref().is_none_or(|(of, _)| *of != draw) {
                drop(rows.take());
                if self.call(&ContinualEvent::Embedding { draw, done: done.len(), total }).is_break() {
                    return Ok(StopReason::Interrupted);
                }
                match self.rows(draw) {
                    Ok(of_draw) => {
                        of_draw.check()?;
                        rows = Some((draw, of_draw));
                    }
                    Err(ScoreError::Interrupted) => return Ok(StopReason::Interrupted),
                    Err(source) => return Err(ContinualError::Rows { draw, source }),
                }
            }
            let Some((_, of_draw)) = &rows else { continue };
            if self.call(&ContinualEvent::Learning { method, draw, order, done: done.len(), total }).is_break() {
                return Ok(StopReason::Interrupted);
            }
            let (learner, learned) = match self.learn(of_draw, method, draw, order) {
                Err(LearnError::Interrupted) => return Ok(StopReason::Interrupted),
                result => result.map_err(|source| ContinualError::Learn { method, source })?,
            };
            if last {
                let statistics = learner.statistics().cloned();
                self.final_statistics = statistics.map(|statistics| statistics.with_origin(self.source.encoder()));
            }
            if done.contains_key(&place) {
                continue;
            }
            if let Some(folder) = &self.folder {
                files::write_head(folder, &learned, learner.head().as_ref())?;
            }
            if let Some(journal) = journal {
                journal.write(&Event::Learned(learned.clone()))?;
            }
            let event = ContinualEvent::Learned { learned: &learned, done: done.len() + 1, total };
            let flow = self.call(&event);
            done.insert(place, learned);
            if flow.is_break() && done.len() < total {
                return Ok(StopReason::Interrupted);
            }
        }
        Ok(StopReason::Completed)
    }

    fn rows(&self, draw: u32) -> Result<DrawRows, ScoreError> {
        let of = |input: Input| -> Result<Option<Sampled>, ScoreError> {
            if !self.job.methods.iter().any(|method| method.input() == input) {
                return Ok(None);
            }
            let rows = self.source.rows(input, draw)?;
            let mut indices: Vec<usize> = (0..self.source.train_labels().len()).collect();
            self.job.seed.stream("calibration", 0).rng().shuffle(&mut indices);
            indices.truncate(SAMPLE);
            let sample = indices.iter().flat_map(|row| &rows.train[row * rows.features..][..rows.features]);
            let sample = sample.copied().collect();
            Ok(Some(Sampled { rows, sample }))
        };
        Ok(DrawRows { embedding: of(Input::Embedding)?, pixels: of(Input::Pixels)? })
    }

    /// Lets a method learn a stream.
    fn learn(
        &self,
        rows: &DrawRows,
        method: Method,
        draw: u32,
        order: usize,
    ) -> Result<(Box<dyn Learner>, Learned), LearnError> {
        #[expect(clippy::disallowed_methods, reason = "clock: seconds are reported and decide no result")]
        let begin = Instant::now();
        let rows = match method.input() {
            Input::Embedding => &rows.embedding,
            Input::Pixels => &rows.pixels,
        };
        let Some(Sampled { rows, sample }) = rows else { return Err(LearnError::Untrained) };
        let task = Task {
            classes: self.source.classes(),
            features: rows.features,
            embedded: self.source.features(Input::Embedding).unwrap_or(rows.features),
            sample,
            start: self.start.as_ref(),
            seed: self.job.seed.derive("method", u64::from(draw)),
            stop: Arc::clone(&self.stop),
        };
        let protocol = Protocol {
            stream: &self.streams[order],
            train: Rows { values: &rows.train, labels: self.source.train_labels() },
            test: Rows { values: &rows.test, labels: self.source.test_labels() },
            block: self.job.block,
            stop: &self.stop,
        };
        let make = || method.learner(&self.job.settings, &task);
        let (learner, matrix) = match method.is_joint() {
            true => protocol.learn_jointly(make)?,
            false => {
                let mut learner = make()?;
                let matrix = protocol.learn(learner.as_mut())?;
                (learner, matrix)
            }
        };
        // Joint training keeps every row.
        let rows_kept = if method.is_joint() { self.source.train_labels().len() as u64 } else { 0 };
        let learned = Learned {
            method,
            draw,
            order,
            matrix,
            state_bytes: learner.state_bytes(),
            clipped: learner.clipped(),
            exemplar_bytes: learner.exemplar_bytes() + 4 * rows_kept * (rows.features as u64 + 1),
            weights_digest: digest(learner.head().as_ref())?,
            seconds: begin.elapsed().as_secs_f64(),
        };
        Ok((learner, learned))
    }

    /// Every stream of the run, in the order of learning.
    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let (draws, orders, methods) = self.ends();
        (0..draws).flat_map(move |draw| {
            (0..orders).flat_map(move |order| (0..methods).map(move |method| (draw, order, method)))
        })
    }

    fn ends(&self) -> Place {
        (self.job.draws, self.job.orders.len(), self.job.methods.len())
    }

    fn identity(&self) -> Result<String, HeadError> {
        let start = match &self.start {
            Some(start) => format!("; from statistics {}", hex(&Sha256::digest(start.to_bytes()?)[..8])),
            None => String::new(),
        };
        Ok(format!("continual v1; {}{start}", self.source.identity()))
    }

    fn report(&self, done: BTreeMap<Place, Learned>, stop: StopReason) -> ContinualReport {
        let mut learned: Vec<Learned> = done.into_values().collect();
        let place = |learned: &Learned| self.job.methods.iter().position(|&method| method == learned.method);
        learned.sort_by_key(|learned| (place(learned), learned.draw, learned.order));
        let seen = |stream: &Stream| {
            let counts = stream.steps.iter().scan(0, |sum, step| {
                *sum += step.new_classes.len();
                Some(*sum)
            });
            counts.collect()
        };
        ContinualReport {
            job: self.job.clone(),
            stop,
            classes: self.source.classes(),
            classes_seen: self.streams.iter().map(seen).collect(),
            learned,
        }
    }

    fn call(&mut self, event: &ContinualEvent<'_>) -> ControlFlow<()> {
        if self.stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        self.hook.as_mut().map_or(ControlFlow::Continue(()), |hook| hook(event))
    }
}

/// Rows, and those of them that choose grids and kernel widths.
struct Sampled {
    rows: Arc<Features>,
    sample: Vec<f32>,
}

/// The rows of one draw that the methods need.
struct DrawRows {
    embedding: Option<Sampled>,
    pixels: Option<Sampled>,
}

impl DrawRows {
    fn check(&self) -> Result<(), ContinualError> {
        for Sampled { rows, .. } in [&self.embedding, &self.pixels].into_iter().flatten() {
            for (split, values) in [("training", &rows.train), ("test", &rows.test)] {
                check_rows(values, rows.features).map_err(|source| ContinualError::Values { split, source })?;
            }
        }
        Ok(())
    }
}

/// The first 64 bits of the checksum of a head.
fn digest(head: Option<&LinearHead>) -> Result<String, LearnError> {
    let bytes = head.map(LinearHead::to_bytes).transpose()?.unwrap_or_default();
    Ok(hex(&Sha256::digest(bytes)[..8]))
}
