//! The search as a pure core: it is asked for architectures and told what became of them.

use crate::learner::Learner;
use crate::walk::{Barred, epsilon_greedy};
use crate::{
    AskError, Candidate, CandidateId, ContinueError, EarlierRow, Feedback, Origin, QTable, QValue, RejectedBy, Row,
    SearchSettings, SettingsError, Space, TellError,
};
use dpnas_grammar::{Layer, Net, Verdict};
use dpnas_seed::Seed;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Consecutive architectures that do not count, after which [`Search::ask`] gives up.
pub const MAX_FRUITLESS_DRAWS: u32 = 10_000;

/// A search in progress.
///
/// [`ask`](Self::ask) hands out candidates and [`tell`](Self::tell) takes their outcomes, in any order and with any
/// number in flight. Nothing else moves the search: it reads no clock and starts nothing, and the same settings, seed
/// and sequence of asks and tells make the same search, bit for bit. That is how a search is resumed.
///
/// ```
/// use dpnas_search::{ImageShape, Feedback, Search, SearchSettings, Seed, SpaceSettings};
///
/// let space = SpaceSettings::small().check(ImageShape::square(1, 8), 10)?;
/// let settings = SearchSettings { schedule: "1.0:20,0.1:10".parse()?, ..SearchSettings::paper() };
/// let mut search = Search::new(space, settings, Seed(7))?;
/// while let Some(candidate) = search.ask()? {
///     // A stand-in for training: it likes short nets.
///     let reward = 1.0 / candidate.net.layers().len() as f64;
///     search.tell(candidate.id, Feedback::Scored { reward })?;
/// }
/// assert!(search.is_finished());
/// assert_eq!(search.rows().iter().filter(|row| row.reward != 0.0).count(), 30);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Randomness
/// Walk `i` draws from the stream ("walk", i), the replay after row `j` from the stream ("replay", j).
///
/// # Source
/// SPEC §5.
#[derive(Clone, Debug)]
pub struct Search {
    space: Space,
    settings: SearchSettings,
    seed: Seed,
    learner: Learner,
    met: FxHashMap<Arc<Net>, Met>,
    flights: BTreeMap<CandidateId, Flight>,
    barred: Barred,
    /// Rows that an earlier run recorded.
    earlier: usize,
    walks: u64,
    asked: u64,
    counted: u64,
    parked: u64,
    /// Draws since the last row that counted.
    uncounted_draws: u32,
    /// Evaluations since the last row that counted.
    fruitless: u64,
}

/// Where an architecture is that was drawn before.
#[derive(Clone, Copy, Debug)]
enum Met {
    /// In the replay buffer, with this number.
    Recorded(usize),
    InFlight(CandidateId),
}

/// A candidate whose outcome is not known yet.
#[derive(Clone, Debug)]
struct Flight {
    candidate: Candidate,
    /// The ε of each time that it was drawn again.
    parked: Vec<f64>,
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Progress {
    /// Architectures that count towards the schedule.
    pub counted: u64,
    /// Architectures that the whole schedule counts.
    pub total: u64,
    /// Candidates whose outcome is not known yet.
    pub in_flight: u64,
    /// Outcomes told since the last architecture that counted: rewards of 0, rejections, out of memory.
    pub fruitless: u64,
    /// The ε of the next draw; `None` if the schedule is complete or full with what is in flight.
    pub epsilon: Option<f64>,
}

impl Search {
    /// A search that has not begun.
    ///
    /// # Errors
    /// The first wrong setting, by the name of its field.
    pub fn new(space: Space, settings: SearchSettings, seed: Seed) -> Result<Self, SettingsError> {
        settings.validate()?;
        Ok(Self {
            learner: Learner::new(space.clone(), settings.initial_q),
            space,
            settings,
            seed,
            met: FxHashMap::default(),
            flights: BTreeMap::new(),
            barred: Barred::default(),
            earlier: 0,
            walks: 0,
            asked: 0,
            counted: 0,
            parked: 0,
            uncounted_draws: 0,
            fruitless: 0,
        })
    }

    /// Advances the search until an architecture needs scoring.
    ///
    /// `None` means that there is nothing to ask at present: the schedule is complete, or full with what is in flight
    /// ([`is_finished`](Self::is_finished) tells which). On the way:
    /// - one that the space rejects is recorded with reward 0, is learnt from and does not count;
    /// - one that is in the replay buffer is recorded again with its reward and learnt from; it counts if that is not 0;
    /// - one that is in flight keeps a place in the schedule, and is recorded again when its outcome is told.
    ///
    /// # Errors
    /// If [`MAX_FRUITLESS_DRAWS`] architectures in a row did not count, or every architecture is out of memory. Asking
    /// again gives the same error, unless a candidate in flight is told a reward above 0.
    pub fn ask(&mut self) -> Result<Option<Candidate>, AskError> {
        while let Some(epsilon) = self.epsilon() {
            if self.uncounted_draws >= MAX_FRUITLESS_DRAWS {
                return Err(AskError::Barren { draws: self.uncounted_draws });
            }
            let net = Arc::new(self.draw(epsilon)?);
            match self.met.get(&net) {
                Some(&Met::Recorded(index)) => self.record_again(index, epsilon),
                Some(Met::InFlight(id)) => {
                    if let Some(flight) = self.flights.get_mut(id) {
                        flight.parked.push(epsilon);
                        self.parked += 1;
                    }
                }
                None => match self.rejection(&net) {
                    Some(by) => {
                        let origin = Origin::Rejected(by);
                        let index = self.enter(net, 0.0, origin.clone());
                        self.record(index, epsilon, origin);
                    }
                    None => return Ok(Some(self.hand_out(net, epsilon))),
                },
            }
        }
        Ok(None)
    }

    /// Takes the outcome of a candidate, and learns.
    ///
    /// Architectures that were drawn again while it was in flight are recorded after it. Out of memory records nothing,
    /// not even those, and frees their places: other architectures are drawn for them, because the steps that would
    /// complete this one are left out of later walks.
    ///
    /// # Errors
    /// If the candidate was not asked for or was told before, or its reward is not a number from 0 to 1. Nothing
    /// changes then.
    pub fn tell(&mut self, id: CandidateId, outcome: Feedback) -> Result<(), TellError> {
        if !self.flights.contains_key(&id) {
            return Err(if id.0 < self.asked { TellError::AlreadyTold { id } } else { TellError::Unknown { id } });
        }
        let (reward, origin) = match outcome {
            Feedback::Scored { reward } if !(0.0..=1.0).contains(&reward) => {
                return Err(TellError::Reward { id, reward });
            }
            Feedback::Scored { reward } => (reward, Some(Origin::Scored(id))),
            Feedback::Rejected => (0.0, Some(Origin::Rejected(RejectedBy::Evaluation(id)))),
            Feedback::OutOfMemory => (0.0, None),
        };
        let Some(Flight { candidate, parked }) = self.flights.remove(&id) else { return Ok(()) };
        self.parked -= parked.len() as u64;
        self.fruitless += 1;
        let Some(origin) = origin else {
            self.met.remove(&candidate.net);
            let layers = candidate.net.layers();
            self.barred.bar(&self.space, &layers[..layers.len() - 1]);
            self.uncounted_draws += 1;
            return Ok(());
        };
        let index = self.enter(candidate.net, reward, Origin::Repeated(id));
        self.record(index, candidate.epsilon, origin);
        for epsilon in parked {
            self.record_again(index, epsilon);
        }
        Ok(())
    }

    /// The replay buffer: every recorded architecture, in the order of recording.
    pub fn rows(&self) -> &[Row] {
        self.learner.rows()
    }

    /// How many of the rows, the first ones, an earlier run recorded ([`continuing`](Self::continuing)).
    pub fn earlier_rows(&self) -> usize {
        self.earlier
    }

    /// What was learnt. It depends on the rows, the settings and the seed alone, and on the values of an earlier run.
    pub fn q_table(&self) -> &QTable {
        self.learner.table()
    }

    /// How far the search is.
    pub fn progress(&self) -> Progress {
        Progress {
            counted: self.counted,
            total: self.settings.schedule.total(),
            in_flight: self.flights.len() as u64,
            fruitless: self.fruitless,
            epsilon: self.epsilon(),
        }
    }

    /// The candidates whose outcome is not known yet, in the order of asking.
    pub fn in_flight(&self) -> impl Iterator<Item = &Candidate> + '_ {
        self.flights.values().map(|flight| &flight.candidate)
    }

    /// Whether nothing was asked for yet; an earlier run that is continued does not matter.
    pub fn is_fresh(&self) -> bool {
        self.walks == self.earlier as u64
    }

    /// Whether the schedule is complete.
    pub fn is_finished(&self) -> bool {
        self.counted >= self.settings.schedule.total()
    }

    /// The space that is searched.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// How the search explores and learns.
    pub fn settings(&self) -> &SearchSettings {
        &self.settings
    }

    /// The seed of every draw.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Takes over a row of an earlier run, whose net is a walk through the space.
    pub(crate) fn take_over(&mut self, row: usize, earlier: EarlierRow) -> Result<(), ContinueError> {
        let EarlierRow { epsilon, net, reward } = earlier;
        let index = match self.met.get(&net) {
            Some(&Met::Recorded(index)) => match self.learner.known(index) {
                (before, &Origin::Earlier { row: first }) if before != reward => {
                    return Err(ContinueError::TwoRewards { row, net, reward, first, before });
                }
                _ => index,
            },
            _ => self.enter(Arc::new(net), reward, Origin::Earlier { row }),
        };
        self.learner.take_over(index, epsilon, row);
        Ok(())
    }

    /// Gives actions of one state their values; `number` is that of the first.
    pub(crate) fn restore_values(&mut self, number: usize, values: &[QValue]) -> Result<(), ContinueError> {
        if let Some((position, wrong)) = values.iter().enumerate().find(|(_, value)| !value.value.is_finite()) {
            return Err(ContinueError::Value { number: number + position, value: wrong.value });
        }
        self.learner.restore(values).map_err(|position| {
            let QValue { state, action, .. } = values[position];
            ContinueError::NotAnAction { number: number + position, state, action }
        })
    }

    /// Goes on after the rows that were taken over, `counted` architectures into the schedule.
    pub(crate) fn go_on_at(&mut self, counted: u64) {
        self.earlier = self.rows().len();
        self.walks = self.earlier as u64;
        self.counted = counted;
    }

    /// The ε of the next draw: whatever is in flight holds a place, as if it will count.
    fn epsilon(&self) -> Option<f64> {
        self.settings.schedule.epsilon_at(self.counted + self.flights.len() as u64 + self.parked)
    }

    fn draw(&mut self, epsilon: f64) -> Result<Net, AskError> {
        if self.barred.is_everything() {
            return Err(AskError::Exhausted);
        }
        let mut rng = self.seed.stream("walk", self.walks).rng();
        self.walks += 1;
        let walk = epsilon_greedy(&self.space, self.learner.table(), &self.barred, epsilon, &mut rng);
        let mut layers = walk.ok_or(AskError::Exhausted)?;
        layers.push(Layer::Softmax { classes: self.space.classes() });
        Ok(Net::new(layers).expect("checked settings make only nets within the grammar's limits"))
    }

    fn rejection(&self, net: &Net) -> Option<RejectedBy> {
        match net.plan(self.space.input()) {
            Err(error) => Some(RejectedBy::Plan(error)),
            Ok(plan) => match plan.verdict(&self.space.limits()) {
                Verdict::Rejected(rejection) => Some(RejectedBy::Limits(rejection)),
                Verdict::Accepted => None,
            },
        }
    }

    fn hand_out(&mut self, net: Arc<Net>, epsilon: f64) -> Candidate {
        let id = CandidateId(self.asked);
        self.asked += 1;
        self.met.insert(Arc::clone(&net), Met::InFlight(id));
        let candidate = Candidate { id, net, epsilon };
        self.flights.insert(id, Flight { candidate: candidate.clone(), parked: Vec::new() });
        candidate
    }

    fn enter(&mut self, net: Arc<Net>, reward: f64, again: Origin) -> usize {
        let index = self.learner.enter(Arc::clone(&net), reward, again);
        self.met.insert(net, Met::Recorded(index));
        index
    }

    fn record(&mut self, index: usize, epsilon: f64, origin: Origin) {
        let reward = self.learner.append(index, epsilon, origin, &self.settings, self.seed);
        self.count(reward);
    }

    fn record_again(&mut self, index: usize, epsilon: f64) {
        let reward = self.learner.append_again(index, epsilon, &self.settings, self.seed);
        self.count(reward);
    }

    fn count(&mut self, reward: f64) {
        if reward == 0.0 {
            self.uncounted_draws += 1;
        } else {
            self.counted += 1;
            (self.uncounted_draws, self.fruitless) = (0, 0);
        }
    }
}
