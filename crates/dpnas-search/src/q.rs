//! The Q-table: states visited, actions taken, values learnt.

use crate::{Action, FollowError, LayerKind, QValue, Space, State};
use dpnas_grammar::{Layer, Net};
use rustc_hash::FxHashMap;

/// A value for every action of every state that recorded architectures visited.
///
/// States get consecutive numbers when first visited. Only actions that were taken are stored; the others have the
/// initial value and are enumerated on demand. So memory is linear in the steps taken, whatever the space's size.
///
/// # Source
/// SPEC §5.
#[derive(Clone, Debug)]
pub struct QTable {
    space: Space,
    initial: f64,
    ids: FxHashMap<State, u32>,
    nodes: Vec<Node>,
}

/// A visited state and the actions that were taken there.
#[derive(Clone, Debug)]
struct Node {
    state: State,
    /// How many legal actions the state has; 0 for a terminal state.
    actions: u32,
    taken: Vec<Taken>,
}

#[derive(Clone, Debug)]
struct Taken {
    /// Position among the state's legal actions.
    slot: u32,
    /// Number of the state that the action leads to.
    next: u32,
    value: f64,
}

/// The steps of one architecture, as positions in the table: (state, action taken there), first to last.
#[derive(Clone, Debug)]
pub(crate) struct Trajectory(Vec<(u32, u32)>);

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The state.
    pub state: State,
    /// An action of it.
    pub action: Action,
    /// The state that the action leads to.
    pub next: State,
    /// The action's value.
    pub value: f64,
}

impl QTable {
    /// A table without states, whose values start at `initial`.
    pub(crate) fn new(space: Space, initial: f64) -> Self {
        Self { space, initial, ids: FxHashMap::default(), nodes: Vec::new() }
    }

    /// The value of an action; `None` if the state was not visited yet or the action is not legal there.
    pub fn value(&self, state: &State, action: &Action) -> Option<f64> {
        self.values(state).into_iter().find_map(|(legal, value)| (legal == *action).then_some(value))
    }

    /// The actions of highest value, in the space's order; none if the state was not visited yet or is terminal.
    pub fn best_actions(&self, state: &State) -> Vec<Action> {
        let values = self.values(state);
        let best = values.iter().map(|&(_, value)| value).fold(f64::NEG_INFINITY, f64::max);
        values.into_iter().filter_map(|(action, value)| (value == best).then_some(action)).collect()
    }

    /// How many states were visited, terminal ones included.
    pub fn states(&self) -> usize {
        self.nodes.len()
    }

    /// Every action of every visited state: states in the order of their first visit, actions in the space's order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.nodes.iter().flat_map(move |node| {
            let state = node.state;
            self.node_values(node).into_iter().map(move |(action, value)| {
                let next = self.space.advance(&state, &action);
                Entry { state, action, next, value }
            })
        })
    }

    /// The entries whose action was taken, states and actions in the order of their first visit; every other entry has
    /// the initial value.
    pub fn taken_entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.nodes.iter().flat_map(move |node| {
            let actions = self.space.actions(&node.state);
            node.taken.iter().filter_map(move |taken| {
                let action = *actions.get(taken.slot as usize)?;
                let next = self.nodes[taken.next as usize].state;
                Some(Entry { state: node.state, action, next, value: taken.value })
            })
        })
    }

    /// The values of a state's legal actions, in the space's order; all initial if it was not visited yet.
    pub(crate) fn values_or_initial(&self, state: &State, actions: usize) -> Vec<f64> {
        let mut values = vec![self.initial; actions];
        if let Some(&id) = self.ids.get(state) {
            for taken in &self.nodes[id as usize].taken {
                values[taken.slot as usize] = taken.value;
            }
        }
        values
    }

    /// Gives actions of one state their values; those that have the initial value need not be stored.
    ///
    /// # Errors
    /// The position of the first value whose action is not legal there.
    pub(crate) fn restore(&mut self, values: &[QValue]) -> Result<(), usize> {
        let Some(&QValue { state, .. }) = values.first() else { return Ok(()) };
        let actions = self.space.actions(&state);
        let is_foreign = state.kind == LayerKind::Start && state != self.space.start();
        let id = self.intern(state);
        for (position, QValue { action, value, .. }) in values.iter().enumerate() {
            let slot = actions.iter().position(|legal| legal == action).filter(|_| !is_foreign);
            let slot = slot.ok_or(position)? as u32;
            let known = self.nodes[id as usize].taken.iter().position(|taken| taken.slot == slot);
            let taken = match known {
                Some(taken) => taken,
                None if *value == self.initial => continue,
                None => {
                    let next = self.intern(self.space.advance(&state, action));
                    self.take(id, slot, next) as usize
                }
            };
            self.nodes[id as usize].taken[taken].value = *value;
        }
        Ok(())
    }

    /// Enters the states and steps of a net.
    ///
    /// # Errors
    /// If the net is not a walk through the space; the states before the first wrong step stay entered.
    pub(crate) fn enter(&mut self, net: &Net) -> Result<Trajectory, FollowError> {
        let mut state = self.space.start();
        let mut id = self.intern(state);
        let mut steps = Vec::with_capacity(net.layers().len());
        for (index, &layer) in net.layers().iter().enumerate() {
            let action = match layer {
                Layer::Softmax { .. } => Action::Terminate,
                layer => Action::Layer(layer),
            };
            let slot = self.space.actions(&state).iter().position(|legal| *legal == action);
            let slot = slot.ok_or(FollowError::NotAnAction { index, layer, state })?;
            state = self.space.advance(&state, &action);
            let next = self.intern(state);
            steps.push((id, self.take(id, slot as u32, next)));
            id = next;
        }
        Ok(Trajectory(steps))
    }

    /// The update of SPEC §5 for one finished architecture, states visited last to first.
    pub(crate) fn learn(&mut self, trajectory: &Trajectory, reward: f64, learning_rate: f64, discount_factor: f64) {
        let mut gain = reward;
        for &(state, taken) in trajectory.0.iter().rev() {
            let next = self.nodes[state as usize].taken[taken as usize].next;
            let best = self.best_value(next);
            let value = &mut self.nodes[state as usize].taken[taken as usize].value;
            *value += learning_rate * (gain + discount_factor * best - *value);
            gain = 0.0;
        }
    }

    /// The highest value of a state's actions; 0 for a terminal state.
    fn best_value(&self, id: u32) -> f64 {
        let node = &self.nodes[id as usize];
        if node.actions == 0 {
            return 0.0;
        }
        let untaken = if node.taken.len() < node.actions as usize { self.initial } else { f64::NEG_INFINITY };
        node.taken.iter().map(|taken| taken.value).fold(untaken, f64::max)
    }

    fn values(&self, state: &State) -> Vec<(Action, f64)> {
        self.ids.get(state).map_or_else(Vec::new, |&id| self.node_values(&self.nodes[id as usize]))
    }

    fn node_values(&self, node: &Node) -> Vec<(Action, f64)> {
        let actions = self.space.actions(&node.state);
        let values = self.values_or_initial(&node.state, actions.len());
        actions.into_iter().zip(values).collect()
    }

    /// The number of a state, a new one on its first visit.
    fn intern(&mut self, state: State) -> u32 {
        let (nodes, space) = (&mut self.nodes, &self.space);
        *self.ids.entry(state).or_insert_with(|| {
            let actions = space.actions(&state).len() as u32;
            nodes.push(Node { state, actions, taken: Vec::new() });
            nodes.len() as u32 - 1
        })
    }

    /// Position of an action among those taken in a state, entered with the initial value if it is new.
    fn take(&mut self, id: u32, slot: u32, next: u32) -> u32 {
        let taken = &mut self.nodes[id as usize].taken;
        let known = taken.iter().position(|taken| taken.slot == slot);
        known.unwrap_or_else(|| {
            taken.push(Taken { slot, next, value: self.initial });
            taken.len() - 1
        }) as u32
    }
}
