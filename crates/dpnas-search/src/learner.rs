//! The replay buffer together with the Q-table that it teaches.

use crate::q::Trajectory;
use crate::{Origin, QTable, QValue, Row, SearchSettings, Space};
use dpnas_grammar::Net;
use dpnas_seed::Seed;
use std::sync::Arc;

/// The rows, and the table that they teach: a function of the rows and the seed alone.
#[derive(Clone, Debug)]
pub(crate) struct Learner {
    table: QTable,
    architectures: Vec<Architecture>,
    rows: Vec<Row>,
    /// The architecture of each row.
    indices: Vec<usize>,
    /// Whether rows teach the table.
    learns: bool,
}

/// An architecture in the buffer.
#[derive(Clone, Debug)]
struct Architecture {
    net: Arc<Net>,
    trajectory: Trajectory,
    reward: f64,
    /// The origin of its further rows.
    again: Origin,
}

impl Learner {
    pub(crate) fn new(space: Space, initial_q: f64) -> Self {
        let table = QTable::new(space, initial_q);
        Self { table, architectures: Vec::new(), rows: Vec::new(), indices: Vec::new(), learns: true }
    }

    /// Leaves the table as it is from now on.
    pub(crate) fn stop_learning(&mut self) {
        self.learns = false;
    }

    pub(crate) fn table(&self) -> &QTable {
        &self.table
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Enters a net of the space with its reward, without a row, and returns its index.
    pub(crate) fn enter(&mut self, net: Arc<Net>, reward: f64, again: Origin) -> usize {
        #[expect(clippy::expect_used, reason = "the walk that drew the net is the walk that enters it")]
        let trajectory = self.table.enter(&net).expect("a drawn net is a walk through its space");
        self.architectures.push(Architecture { net, trajectory, reward, again });
        self.architectures.len() - 1
    }

    /// The reward of an architecture, and the origin of its further rows.
    pub(crate) fn known(&self, index: usize) -> (f64, &Origin) {
        let architecture = &self.architectures[index];
        (architecture.reward, &architecture.again)
    }

    /// As [`QTable::restore`].
    pub(crate) fn restore_values(&mut self, values: &[QValue]) -> Result<(), usize> {
        self.table.restore(values)
    }

    /// Appends a row of an earlier run, without learning.
    pub(crate) fn restore_row(&mut self, index: usize, epsilon: f64, row: usize) {
        let Architecture { ref net, reward, .. } = self.architectures[index];
        self.rows.push(Row { epsilon, net: Arc::clone(net), reward, origin: Origin::Earlier { row } });
        self.indices.push(index);
    }

    /// Appends a further row of an architecture, learns, and returns its reward.
    pub(crate) fn append_again(&mut self, index: usize, epsilon: f64, settings: &SearchSettings, seed: Seed) -> f64 {
        let origin = self.architectures[index].again.clone();
        self.append(index, epsilon, origin, settings, seed)
    }

    /// Appends a row, learns from it and from `replay_number − 1` rows of the whole buffer, and returns its reward.
    pub(crate) fn append(
        &mut self,
        index: usize,
        epsilon: f64,
        origin: Origin,
        settings: &SearchSettings,
        seed: Seed,
    ) -> f64 {
        let Architecture { ref net, reward, .. } = self.architectures[index];
        let row = self.rows.len() as u64;
        self.rows.push(Row { epsilon, net: Arc::clone(net), reward, origin });
        self.indices.push(index);
        if !self.learns {
            return reward;
        }
        self.learn(index, settings);
        let mut rng = seed.stream("replay", row).rng();
        for _ in 1..settings.replay_number {
            let drawn = rng.below(self.indices.len() as u64) as usize;
            self.learn(self.indices[drawn], settings);
        }
        reward
    }

    fn learn(&mut self, index: usize, settings: &SearchSettings) {
        let Architecture { ref trajectory, reward, .. } = self.architectures[index];
        self.table.learn(trajectory, reward, settings.q_learning_rate, settings.q_discount_factor);
    }
}
