//! Walks through the space: uniform, or ε-greedy around the tabu list.

use crate::{Action, QTable, Space, State};
use dpnas_grammar::{Layer, Net, Verdict};
use dpnas_seed::Rng;
use rustc_hash::FxHashMap;

impl Space {
    /// A net that begins with these layers and goes on by a uniform walk. `None` if they are no walk of the space, or the net is
    /// rejected by the limits.
    pub fn completed(&self, layers: &[Layer], rng: &mut Rng) -> Option<Net> {
        let mut layers = layers.to_vec();
        let mut state = self.follow(&layers).ok()?;
        while !state.terminal {
            let actions = self.actions(&state);
            let action = actions[rng.below(actions.len() as u64) as usize];
            state = self.advance(&state, &action);
            layers.push(match action {
                Action::Layer(layer) => layer,
                Action::Terminate => Layer::Softmax { classes: self.classes() },
            });
        }
        self.accepted(layers)
    }

    /// The net of the layers of a whole walk; `None` if they are none, or the limits reject it.
    pub(crate) fn accepted(&self, layers: Vec<Layer>) -> Option<Net> {
        self.follow(&layers).ok().filter(|state| state.terminal)?;
        let net = Net::new(layers).ok()?;
        let verdict = net.plan(self.input()).ok()?.verdict(&self.limits());
        (verdict == Verdict::Accepted).then_some(net)
    }

    /// A walk from the start to a terminal state, every step uniform among the legal actions.
    ///
    /// Its net ([`Space::net`]) may still be rejected by the limits.
    pub fn uniform_walk(&self, rng: &mut Rng) -> Vec<Action> {
        let mut walk = Vec::new();
        let mut state = self.start();
        while !state.terminal {
            let actions = self.actions(&state);
            let action = actions[rng.below(actions.len() as u64) as usize];
            walk.push(action);
            state = self.advance(&state, &action);
        }
        walk
    }
}

/// Nets that are not drawn again, as the steps that lead to no other nets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tabu {
    /// Excluded actions after the first layers of a walk.
    after: FxHashMap<Vec<Layer>, Vec<Action>>,
    covers_space: bool,
}

impl Tabu {
    /// Excludes a net, given by its layers without the classifier.
    pub(crate) fn add(&mut self, space: &Space, layers: &[Layer]) {
        let mut layers = layers.to_vec();
        let mut action = Action::Terminate;
        loop {
            let Ok(state) = space.follow(&layers) else { return };
            let excluded = self.after.entry(layers.clone()).or_default();
            if !excluded.contains(&action) {
                excluded.push(action);
            }
            if excluded.len() < space.actions(&state).len() {
                return;
            }
            match layers.pop() {
                Some(layer) => action = Action::Layer(layer),
                None => {
                    self.covers_space = true;
                    return;
                }
            }
        }
    }

    /// Whether no walk is left.
    pub(crate) fn covers_space(&self) -> bool {
        self.covers_space
    }

    fn after(&self, layers: &[Layer]) -> &[Action] {
        self.after.get(layers).map_or(&[], Vec::as_slice)
    }
}

/// The layers of an ε-greedy walk, without the classifier: at every step a uniform action with probability `epsilon`,
/// else a uniform one of those of highest value; excluded steps are left out of both.
///
/// `None` if the tabu list covers the space.
pub(crate) fn epsilon_greedy(
    space: &Space,
    table: &QTable,
    tabu: &Tabu,
    epsilon: f64,
    rng: &mut Rng,
) -> Option<Vec<Layer>> {
    let mut layers = Vec::new();
    let mut state = space.start();
    loop {
        match step(space, table, tabu.after(&layers), &state, epsilon, rng)? {
            Action::Terminate => return Some(layers),
            Action::Layer(layer) => {
                state = space.advance(&state, &Action::Layer(layer));
                layers.push(layer);
            }
        }
    }
}

fn step(
    space: &Space,
    table: &QTable,
    excluded: &[Action],
    state: &State,
    epsilon: f64,
    rng: &mut Rng,
) -> Option<Action> {
    let actions = space.actions(state);
    let open: Vec<usize> = (0..actions.len()).filter(|&slot| !excluded.contains(&actions[slot])).collect();
    let choices = if rng.unit() < epsilon {
        open
    } else {
        let values = table.values_or_initial(state, actions.len());
        let best = open.iter().map(|&slot| values[slot]).fold(f64::NEG_INFINITY, f64::max);
        open.into_iter().filter(|&slot| values[slot] == best).collect()
    };
    if choices.is_empty() {
        return None;
    }
    Some(actions[choices[rng.below(choices.len() as u64) as usize]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SpaceSettings;
    use dpnas_grammar::ImageShape;
    use dpnas_seed::Seed;
    use std::collections::BTreeSet;

    /// Every net of a space of a handful: one kernel, one width, depth 1 or 2, no pooling that fits.
    fn tiny() -> (Space, BTreeSet<Vec<Layer>>) {
        let settings = SpaceSettings {
            kernels: vec![1],
            features: vec![1],
            pool_sizes: vec![2],
            pool_strides: vec![2],
            min_depth: 1,
            max_depth: 2,
            ..SpaceSettings::paper()
        };
        let space = settings.check(ImageShape::square(1, 3), 2).unwrap();
        let mut nets = BTreeSet::new();
        for index in 0..200 {
            let walk = space.uniform_walk(&mut Seed(0).stream("t", index).rng());
            let net = space.net(&walk).unwrap();
            nets.insert(net.layers()[..walk.len() - 1].to_vec());
        }
        (space, nets)
    }

    #[test]
    fn an_excluded_net_is_never_drawn_again() {
        let (space, nets) = tiny();
        assert_eq!(nets.len(), 2, "C, C-C: the map of 3 takes no exact pooling of 2");
        let table = QTable::new(space.clone(), 0.15);
        for (epsilon, net) in [0.0, 0.5, 1.0].into_iter().flat_map(|epsilon| nets.iter().map(move |net| (epsilon, net)))
        {
            let mut tabu = Tabu::default();
            tabu.add(&space, net);
            for index in 0..50 {
                let mut rng = Seed(1).stream("t", index).rng();
                let drawn = epsilon_greedy(&space, &table, &tabu, epsilon, &mut rng).unwrap();
                assert!(drawn != *net && nets.contains(&drawn));
            }
        }
    }

    #[test]
    fn excluding_every_net_leaves_no_walk() {
        let (space, nets) = tiny();
        let table = QTable::new(space.clone(), 0.15);
        let mut tabu = Tabu::default();
        for (index, net) in nets.iter().enumerate() {
            assert!(!tabu.covers_space(), "{index} of {} excluded", nets.len());
            tabu.add(&space, net);
        }
        assert!(tabu.covers_space());
        assert_eq!(epsilon_greedy(&space, &table, &tabu, 0.5, &mut Seed(1).stream("t", 0).rng()), None);
    }
}
