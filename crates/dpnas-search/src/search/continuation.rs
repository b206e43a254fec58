//! A search that continues an earlier run.

use super::{Known, Search};
use crate::{Action, ContinueError, Entry, Origin, Schedule, SearchSettings, Space, State};
use dpnas_grammar::Net;
use dpnas_seed::Seed;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The files of an earlier run, of this or the published program.
///
/// # Source
/// SPEC §10.
#[derive(Clone, Debug, PartialEq)]
pub struct Continuation {
    /// Its replay buffer, in order.
    pub rows: Vec<EarlierRow>,
    /// Its Q-values; other actions have the initial value. Of two values of one action the later counts.
    pub q_values: Vec<QValue>,
    /// Where in the schedule it stopped.
    pub place: Place,
}

/// A row of an earlier run's replay buffer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierRow {
    /// The ε at which the architecture was drawn, from 0 to 1.
    pub epsilon: f64,
    /// The architecture.
    pub net: Net,
    /// Its reward, from 0 to 1; 0 if it was rejected.
    pub reward: f64,
}

/// The value of one action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QValue {
    /// The state.
    pub state: State,
    /// An action of it.
    pub action: Action,
    /// What the action is worth.
    pub value: f64,
}

impl From<Entry> for QValue {
    fn from(entry: Entry) -> Self {
        Self { state: entry.state, action: entry.action, value: entry.value }
    }
}

/// A place in a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// An ε of the schedule, which has it once.
    pub epsilon: f64,
    /// How many architectures of this ε's share were counted; all of them if the next ε is due.
    pub position: u32,
}

impl Place {
    /// How many architectures of the schedule were counted up to here.
    ///
    /// # Errors
    /// If the schedule does not have ε exactly once, or the position is past its share.
    pub fn counted(&self, schedule: &Schedule) -> Result<u64, ContinueError> {
        let &Self { epsilon, position } = self;
        // Files write 0.3 as 0.30000000000000004 when it was computed.
        let same = |other: f64| (other - epsilon).abs() < 1e-9;
        let phases = schedule.phases();
        let Some(index) = phases.iter().position(|phase| same(phase.epsilon)) else {
            return Err(ContinueError::NotInSchedule { epsilon, schedule: schedule.clone() });
        };
        if phases[index + 1..].iter().any(|phase| same(phase.epsilon)) {
            return Err(ContinueError::TwiceInSchedule { epsilon, schedule: schedule.clone() });
        }
        let share = phases[index].architectures;
        if position > share {
            return Err(ContinueError::Position { epsilon, position, share });
        }
        let before: u64 = phases[..index].iter().map(|phase| u64::from(phase.architectures)).sum();
        Ok(before + u64::from(position))
    }
}

impl Search {
    /// A search that continues an earlier run.
    ///
    /// The earlier rows stay the beginning of the replay buffer: their architectures are not handed out again, and replay
    /// draws them. They teach nothing when they are taken over, since the Q-values contain that. The schedule continues
    /// at [`Continuation::place`].
    ///
    /// # Randomness
    /// Walks and replays are numbered from the count of earlier rows on. A search of this crate that is continued with
    /// its seed, rows and values therefore equals one that did not stop, bit for bit, provided that nothing was in flight
    /// or out of memory. Only [`Progress::fruitless`](crate::Progress::fruitless) starts at 0: the rows do not tell which
    /// of them were evaluated.
    ///
    /// # Errors
    /// The first wrong setting; a place that the schedule does not have; the first row whose net is not a walk through
    /// the space, whose ε or reward is out of range, or whose reward differs from an earlier row of the same
    /// architecture; the first value of an action that the space does not have, or that is not a finite number. Rows are
    /// counted from 0.
    ///
    /// # Source
    /// SPEC §10.
    pub fn continuing(
        space: Space,
        settings: SearchSettings,
        seed: Seed,
        continuation: Continuation,
    ) -> Result<Self, ContinueError> {
        let mut search = Self::new(space, settings, seed)?;
        let counted = continuation.place.counted(&search.settings.schedule)?;
        for (number, row) in continuation.rows.into_iter().enumerate() {
            search.restore_row(number, row)?;
        }
        let mut number = 0;
        for values in continuation.q_values.chunk_by(|a, b| a.state == b.state) {
            search.restore_values(number, values)?;
            number += values.len();
        }
        search.counted = counted;
        search.earlier = search.rows().len();
        search.walks = search.earlier as u64;
        Ok(search)
    }

    fn restore_row(&mut self, row: usize, earlier: EarlierRow) -> Result<(), ContinueError> {
        let EarlierRow { epsilon, net, reward } = earlier;
        if !(0.0..=1.0).contains(&reward) {
            return Err(ContinueError::Reward { row, reward });
        }
        if !(0.0..=1.0).contains(&epsilon) {
            return Err(ContinueError::Epsilon { row, epsilon });
        }
        if let Err(source) = self.space.follow(net.layers()) {
            return Err(ContinueError::Net { row, net, source });
        }
        let index = match self.known.get(&net) {
            Some(&Known::Recorded(index)) => match self.learner.known(index) {
                (before, &Origin::Earlier { row: first }) if before != reward => {
                    return Err(ContinueError::TwoRewards { row, net, reward, first, before });
                }
                _ => index,
            },
            _ => self.enter(Arc::new(net), reward, Origin::Earlier { row }, &[]),
        };
        self.learner.restore_row(index, epsilon, row);
        self.count(reward != 0.0);
        Ok(())
    }

    /// Gives actions of one state their values; `number` is that of the first.
    fn restore_values(&mut self, number: usize, values: &[QValue]) -> Result<(), ContinueError> {
        if let Some((position, wrong)) = values.iter().enumerate().find(|(_, value)| !value.value.is_finite()) {
            return Err(ContinueError::Value { number: number + position, value: wrong.value });
        }
        self.learner.restore_values(values).map_err(|position| {
            let QValue { state, action, .. } = values[position];
            ContinueError::NotAnAction { number: number + position, state, action }
        })
    }
}
