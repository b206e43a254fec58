//! A second, naive implementation of the Q-table.

use dpnas_search::{Action, Layer, Net, Search, SearchSettings, Space, State};
use std::collections::BTreeMap;

/// Values under the text of a state and an action; absent ones are initial.
#[derive(Clone)]
pub(crate) struct Naive<'a> {
    space: &'a Space,
    settings: &'a SearchSettings,
    pub(crate) values: BTreeMap<(String, String), f64>,
}

pub(crate) fn key(state: &State, action: &Action) -> (String, String) {
    (format!("{state:?}"), action.to_string())
}

impl<'a> Naive<'a> {
    /// `values`, and what the rows of a search from number `from` on teach.
    pub(crate) fn of(search: &'a Search, values: BTreeMap<(String, String), f64>, from: usize) -> Self {
        let mut table = Self { space: search.space(), settings: search.settings(), values };
        let rows = search.rows();
        for (index, row) in rows.iter().enumerate().skip(from) {
            table.update(&row.net, row.reward);
            let mut rng = search.seed().stream("replay", index as u64).rng();
            for _ in 1..search.settings().replay_number {
                let drawn = &rows[rng.below(index as u64 + 1) as usize];
                table.update(&drawn.net, drawn.reward);
            }
        }
        table
    }

    pub(crate) fn value(&self, state: &State, action: &Action) -> f64 {
        self.values.get(&key(state, action)).copied().unwrap_or(self.settings.initial_q)
    }

    /// The update of SPEC §5.
    fn update(&mut self, net: &Net, reward: f64) {
        let layers = net.layers();
        for index in (0..layers.len()).rev() {
            let state = self.space.follow(&layers[..index]).unwrap();
            let next = self.space.follow(&layers[..=index]).unwrap();
            let (action, r) = match layers[index] {
                Layer::Softmax { .. } => (Action::Terminate, reward),
                layer => (Action::Layer(layer), 0.0),
            };
            let best = self.space.actions(&next).iter().map(|action| self.value(&next, action)).reduce(f64::max);
            let q = self.value(&state, &action);
            let SearchSettings { q_learning_rate: alpha, q_discount_factor: gamma, .. } = *self.settings;
            self.values.insert(key(&state, &action), q + alpha * (r + gamma * best.unwrap_or(0.0) - q));
        }
    }
}
