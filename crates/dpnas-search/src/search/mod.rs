//! The search as a pure core: ask for architectures, tell what became of them.

mod continuation;

use crate::learner::Learner;
use crate::walk::{Tabu, epsilon_greedy};
use crate::{
    AskError, Candidate, CandidateId, Feedback, History, Member, Origin, Proposal, QTable, RejectedBy, Row,
    SearchSettings, SettingsError, Space, Strategy, TellError,
};
pub use continuation::{Continuation, EarlierRow, Place, QValue};
use dpnas_grammar::{Layer, Net, Verdict};
use dpnas_seed::Seed;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Consecutive draws that do not count, after which [`Search::ask`] gives up.
pub const MAX_FRUITLESS_DRAWS: u32 = 10_000;

/// Proposals of a strategy that were drawn before, after which a random architecture is drawn.
const MAX_PROPOSALS: u32 = 100;

/// Of the scores of a rung, the best one of this many goes on.
const REDUCTION: usize = 4;

/// Youngest scores of a rung that a new one is compared with. A strategy improves, so most are better than the first ones.
const YOUNGEST_SCORES: usize = 32;

/// A search in progress.
///
/// [`ask`](Self::ask) returns candidates and [`tell`](Self::tell) takes their feedback, in any order and with any number
/// in flight. Nothing else changes the search: it reads no clock and starts no thread. The same settings, seed and
/// sequence of asks and tells give the same search, bit for bit. Resuming repeats them.
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
    /// What is drawn instead of an ε-greedy walk.
    strategy: Option<Arc<dyn Strategy>>,
    /// What a strategy learns from.
    members: Vec<Member>,
    known: FxHashMap<Arc<Net>, Known>,
    in_flight: BTreeMap<CandidateId, InFlight>,
    /// The scores of each rung, in the order of telling.
    rungs: Vec<Vec<f64>>,
    tabu: Tabu,
    /// Rows that an earlier run recorded.
    earlier: usize,
    walks: u64,
    asked: u64,
    counted: u64,
    /// Repetitions of candidates in flight.
    repeats: u64,
    /// Draws since the last row that counted.
    uncounted_draws: u32,
    /// Evaluations since the last row that counted.
    fruitless: u64,
}

/// The state of an architecture that was drawn before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    /// In the replay buffer, as this architecture of the learner.
    Recorded(usize),
    InFlight(CandidateId),
}

/// A candidate without feedback.
#[derive(Clone, Debug)]
struct InFlight {
    candidate: Candidate,
    /// The ε of each repeated draw.
    repeats: Vec<f64>,
    /// Rungs that were passed.
    rung: usize,
    /// What a strategy made it from.
    parents: Vec<Net>,
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Progress {
    /// Architectures that count towards the schedule.
    pub counted: u64,
    /// Architectures of the whole schedule.
    pub total: u64,
    /// Candidates without feedback.
    pub in_flight: u64,
    /// Evaluations since the last architecture that counted: rewards of 0, rejections, out of memory.
    pub fruitless: u64,
    /// The ε of the next draw; `None` if the schedule is complete, or full with the candidates in flight.
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
            strategy: None,
            members: Vec::new(),
            space,
            settings,
            seed,
            known: FxHashMap::default(),
            in_flight: BTreeMap::new(),
            rungs: Vec::new(),
            tabu: Tabu::default(),
            earlier: 0,
            walks: 0,
            asked: 0,
            counted: 0,
            repeats: 0,
            uncounted_draws: 0,
            fruitless: 0,
        })
    }

    /// As [`new`](Self::new), but with a strategy instead of the Q-learner. With probability ε a walk is uniform, otherwise the
    /// strategy proposes the architecture. No architecture is drawn twice, and no Q-values are learnt.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_strategy(
        space: Space,
        settings: SearchSettings,
        strategy: Arc<dyn Strategy>,
        seed: Seed,
    ) -> Result<Self, SettingsError> {
        let mut search = Self::new(space, settings, seed)?;
        search.learner.stop_learning();
        search.strategy = Some(strategy);
        Ok(search)
    }

    /// The strategy; `None` is Q-learning.
    pub fn strategy(&self) -> Option<&dyn Strategy> {
        self.strategy.as_deref()
    }

    /// Draws architectures until one needs scoring.
    ///
    /// `None` means that there is nothing to score at present: the schedule is complete, or full with the candidates in
    /// flight ([`is_finished`](Self::is_finished) tells which). Other architectures on the way:
    /// - The space rejects it: recorded with reward 0, learnt from, not counted.
    /// - It is in the replay buffer: recorded again with its reward and learnt from; it counts if that is not 0.
    /// - It is in flight: it keeps a place in the schedule and is recorded again after its feedback.
    ///
    /// # Errors
    /// If [`MAX_FRUITLESS_DRAWS`] architectures in a row did not count, or every architecture is out of memory. Asking
    /// again gives the same error, unless a candidate in flight gets a reward above 0.
    pub fn ask(&mut self) -> Result<Option<Candidate>, AskError> {
        // A strategy that has nothing new is not asked again for this candidate.
        let mut asks_strategy = true;
        while let Some(epsilon) = self.epsilon() {
            if self.uncounted_draws >= MAX_FRUITLESS_DRAWS {
                return Err(AskError::Fruitless { draws: self.uncounted_draws });
            }
            let Proposal { net, parents } = self.draw(epsilon, &mut asks_strategy)?;
            let net = Arc::new(net);
            match self.known.get(&net) {
                // A strategy draws no architecture twice.
                Some(_) if self.strategy.is_some() => self.uncounted_draws += 1,
                Some(&Known::Recorded(index)) => self.record_again(index, epsilon),
                Some(Known::InFlight(id)) => {
                    if let Some(first) = self.in_flight.get_mut(id) {
                        first.repeats.push(epsilon);
                        self.repeats += 1;
                    }
                }
                None => match self.rejection(&net) {
                    Some(by) => {
                        let origin = Origin::Rejected(by);
                        let index = self.enter(net, 0.0, origin.clone(), &parents);
                        self.record(index, epsilon, origin);
                    }
                    None => return Ok(Some(self.hand_out(net, epsilon, parents))),
                },
            }
        }
        Ok(None)
    }

    /// Takes the feedback on a candidate, and learns.
    ///
    /// Repetitions that were drawn in the meantime are recorded after it. Out of memory records nothing, not even those,
    /// and frees their places: other architectures are drawn for them, since later walks avoid this one.
    ///
    /// # Errors
    /// If the candidate was not asked for or was told before, or its reward is not a number from 0 to 1. The search is
    /// unchanged then.
    pub fn tell(&mut self, id: CandidateId, feedback: Feedback) -> Result<(), TellError> {
        if let Feedback::Scored { reward } = feedback
            && !(0.0..=1.0).contains(&reward)
        {
            return Err(TellError::Reward { id, reward });
        }
        let Some(InFlight { candidate, repeats, parents, .. }) = self.in_flight.remove(&id) else {
            return Err(self.not_in_flight(id));
        };
        self.repeats -= repeats.len() as u64;
        self.fruitless += 1;
        let (reward, origin) = match feedback {
            Feedback::Scored { reward } => (reward, Origin::Scored(id)),
            Feedback::Rejected => (0.0, Origin::Rejected(RejectedBy::Evaluation(id))),
            Feedback::OutOfMemory => {
                // A strategy draws no known architecture, Q-learning none of the tabu list.
                if self.strategy.is_none() {
                    self.known.remove(&candidate.net);
                }
                let layers = candidate.net.layers();
                self.tabu.add(&self.space, &layers[..layers.len() - 1]);
                self.uncounted_draws += 1;
                return Ok(());
            }
        };
        let index = self.enter(candidate.net, reward, Origin::Repeated(id), &parents);
        self.record(index, candidate.epsilon, origin);
        for epsilon in repeats {
            self.record_again(index, epsilon);
        }
        Ok(())
    }

    /// Takes a candidate's score at its next rung: a cheaper evaluation than the one that gives the reward, for example on
    /// fewer images. Returns whether the candidate goes on to the rung above, or to [`tell`](Self::tell) after the last.
    ///
    /// The best quarter of the last 32 scores of a rung goes on. A candidate that does not is told: it counts towards the
    /// schedule, the strategy learns from its score, and the replay buffer gets no row.
    ///
    /// # Errors
    /// As [`tell`](Self::tell), and if the search has no strategy: Q-learning learns from rewards alone.
    ///
    /// # Source
    /// Successive halving without waiting: Li et al., MLSys 2020, with the decision at once instead of a later promotion.
    pub fn tell_rung(&mut self, id: CandidateId, score: f64) -> Result<bool, TellError> {
        if !(0.0..=1.0).contains(&score) {
            return Err(TellError::Reward { id, reward: score });
        }
        if self.strategy.is_none() {
            return Err(TellError::NoStrategy { id });
        }
        let Some(told) = self.in_flight.get_mut(&id) else { return Err(self.not_in_flight(id)) };
        let rung = told.rung;
        told.rung += 1;
        self.rungs.resize(self.rungs.len().max(rung + 1), Vec::new());
        let scores = &mut self.rungs[rung];
        scores.push(score);
        let youngest = scores.len().min(YOUNGEST_SCORES);
        let better = scores.iter().rev().take(youngest).filter(|other| **other > score).count();
        let goes_on = better < youngest.div_ceil(REDUCTION);
        if !goes_on && let Some(stopped) = self.in_flight.remove(&id) {
            self.remember(stopped.candidate.net, score, &stopped.parents);
            self.count(true);
        }
        Ok(goes_on)
    }

    fn not_in_flight(&self, id: CandidateId) -> TellError {
        if id.0 < self.asked { TellError::AlreadyTold { id } } else { TellError::Unknown { id } }
    }

    /// The replay buffer: every recorded architecture, in the order of recording.
    pub fn rows(&self) -> &[Row] {
        self.learner.rows()
    }

    /// An architecture and everything that the strategy made it from, the youngest first. Parents are numbers within this
    /// list. Empty for Q-learning, and for an architecture that was not told.
    pub fn family(&self, net: &Net) -> Vec<Member> {
        let youngest = self.members.iter().rposition(|member| *member.net == *net);
        let mut open: BTreeSet<usize> = youngest.into_iter().collect();
        let mut numbers = Vec::new();
        while let Some(number) = open.pop_last() {
            numbers.push(number);
            open.extend(&self.members[number].parents);
        }
        let place = |number: &usize| numbers.binary_search_by(|other| number.cmp(other)).ok();
        let member = |number: &usize| {
            let member = &self.members[*number];
            Member { parents: member.parents.iter().filter_map(place).collect(), ..member.clone() }
        };
        numbers.iter().map(member).collect()
    }

    /// How many of the first rows an earlier run recorded ([`continuing`](Self::continuing)).
    pub fn earlier_rows(&self) -> usize {
        self.earlier
    }

    /// The Q-values. They depend on the rows, the settings and the seed alone, and on the values of an earlier run.
    pub fn q_table(&self) -> &QTable {
        self.learner.table()
    }

    /// How far the search is.
    pub fn progress(&self) -> Progress {
        Progress {
            counted: self.counted,
            total: self.settings.schedule.total(),
            in_flight: self.in_flight.len() as u64,
            fruitless: self.fruitless,
            epsilon: self.epsilon(),
        }
    }

    /// The scores of each rung, in the order of telling.
    pub fn rungs(&self) -> &[Vec<f64>] {
        &self.rungs
    }

    /// The candidates without feedback, in the order of asking.
    pub fn in_flight(&self) -> impl Iterator<Item = &Candidate> + '_ {
        self.in_flight.values().map(|first| &first.candidate)
    }

    /// Whether nothing was asked for yet. The rows of an earlier run do not matter.
    pub fn is_fresh(&self) -> bool {
        self.walks == self.earlier as u64
    }

    /// Whether the schedule is complete.
    pub fn is_finished(&self) -> bool {
        self.counted >= self.settings.schedule.total()
    }

    /// The space.
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

    /// The ε of the next draw: whatever is in flight holds a place, as if it will count.
    fn epsilon(&self) -> Option<f64> {
        self.settings.schedule.epsilon_at(self.counted + self.in_flight.len() as u64 + self.repeats)
    }

    fn draw(&mut self, epsilon: f64, asks_strategy: &mut bool) -> Result<Proposal, AskError> {
        if self.tabu.covers_space() {
            return Err(AskError::Exhausted);
        }
        let mut rng = self.seed.stream("walk", self.walks).rng();
        self.walks += 1;
        // Q-learning decides about chance at each step, a strategy once for each architecture.
        let strategy = self.strategy.as_ref().filter(|_| rng.unit() >= epsilon && *asks_strategy);
        if let Some(strategy) = strategy {
            let history = History { members: &self.members, known: &self.known };
            let fresh = |proposed: &Proposal| !history.has_drawn(&proposed.net);
            let proposed =
                (0..MAX_PROPOSALS).find_map(|_| strategy.propose(&self.space, &history, &mut rng).filter(fresh));
            if let Some(proposed) = proposed {
                return Ok(proposed);
            }
            *asks_strategy = false;
        }
        let epsilon = if self.strategy.is_some() { 1.0 } else { epsilon };
        let walk = epsilon_greedy(&self.space, self.learner.table(), &self.tabu, epsilon, &mut rng);
        let mut layers = walk.ok_or(AskError::Exhausted)?;
        layers.push(Layer::Softmax { classes: self.space.classes() });
        #[expect(clippy::expect_used, reason = "spaces and their settings are checked when they are made")]
        let net = Net::new(layers).expect("checked settings make only nets within the grammar's limits");
        Ok(Proposal { net, parents: Vec::new() })
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

    fn hand_out(&mut self, net: Arc<Net>, epsilon: f64, parents: Vec<Net>) -> Candidate {
        let id = CandidateId(self.asked);
        self.asked += 1;
        self.known.insert(Arc::clone(&net), Known::InFlight(id));
        let candidate = Candidate { id, net, epsilon };
        self.in_flight.insert(id, InFlight { candidate: candidate.clone(), repeats: Vec::new(), rung: 0, parents });
        candidate
    }

    fn enter(&mut self, net: Arc<Net>, reward: f64, again: Origin, parents: &[Net]) -> usize {
        let index = self.learner.enter(Arc::clone(&net), reward, again);
        if self.strategy.is_some() {
            self.remember(Arc::clone(&net), reward, parents);
        }
        self.known.insert(net, Known::Recorded(index));
        index
    }

    /// Adds a member. Its parents are mostly among the youngest.
    fn remember(&mut self, net: Arc<Net>, value: f64, parents: &[Net]) {
        let number = |parent: &Net| self.members.iter().rposition(|member| *member.net == *parent);
        let parents = parents.iter().filter_map(number).collect();
        self.members.push(Member::new(net, value, parents));
    }

    fn record(&mut self, index: usize, epsilon: f64, origin: Origin) {
        let reward = self.learner.append(index, epsilon, origin, &self.settings, self.seed);
        self.count(reward != 0.0);
    }

    fn record_again(&mut self, index: usize, epsilon: f64) {
        let reward = self.learner.append_again(index, epsilon, &self.settings, self.seed);
        self.count(reward != 0.0);
    }

    fn count(&mut self, counts: bool) {
        if counts {
            self.counted += 1;
            (self.uncounted_draws, self.fruitless) = (0, 0);
        } else {
            self.uncounted_draws += 1;
        }
    }
}
