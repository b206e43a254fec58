//! The state space: the legal actions of a state and the states they lead to.

use crate::{Action, LayerKind, SpaceSettings, State};
use dpnas_grammar::{ImageShape, Layer, Limits, Net, NetError, window_output};

/// The architectures that a search may build for images of one shape, enumerated on demand.
///
/// ```
/// use dpnas_search::{ImageShape, SpaceSettings};
///
/// let space = SpaceSettings::reference_code().check(ImageShape::square(1, 28), 10)?;
/// assert_eq!(space.actions(&space.start()).len(), 84);
/// # Ok::<(), dpnas_search::SpaceError>(())
/// ```
///
/// # Source
/// SPEC §4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    settings: SpaceSettings,
    input: ImageShape,
    classes: u32,
}

impl Space {
    /// A space of settings that [`SpaceSettings::check`] has checked.
    pub(crate) const fn of_checked(settings: SpaceSettings, input: ImageShape, classes: u32) -> Self {
        Self { settings, input, classes }
    }

    /// Its settings.
    pub const fn settings(&self) -> &SpaceSettings {
        &self.settings
    }

    /// The shape of the images.
    pub const fn input(&self) -> ImageShape {
        self.input
    }

    /// The number of classes.
    pub const fn classes(&self) -> u32 {
        self.classes
    }

    /// Bounds of the nets that are scored.
    pub const fn limits(&self) -> Limits {
        Limits { max_final_map: self.settings.max_final_map, max_features: self.settings.max_features }
    }

    /// The state before the first layer.
    pub const fn start(&self) -> State {
        State::start(self.input.height)
    }

    /// The legal actions of a state, always in the same order: convolutions, residual blocks, pooling, fully connected
    /// layers, each with ascending numbers, and termination last. Only a terminal state has none.
    pub fn actions(&self, state: &State) -> Vec<Action> {
        if state.terminal {
            return Vec::new();
        }
        let mut actions = Vec::with_capacity(64);
        if self.takes_blocks(state) {
            self.push_convolutions(state.map_size, &mut actions);
            if state.map_size > RESIDUAL_KERNEL {
                actions
                    .extend(self.settings.features.iter().map(|&features| Action::Layer(Layer::Residual { features })));
            }
        }
        if matches!(state.kind, LayerKind::Conv | LayerKind::Residual) {
            self.push_pools(state.map_size, &mut actions);
        }
        self.push_linear(state, &mut actions);
        // Never in the presets: the rules can leave a state without an action, for example after pooling to a map that
        // is smaller than every kernel.
        if self.may_terminate(state) || (actions.is_empty() && state.kind != LayerKind::Start) {
            actions.push(Action::Terminate);
        }
        actions
    }

    /// The legal actions of a state, each with the state after it; no two states are the same.
    pub fn steps(&self, state: &State) -> Vec<(Action, State)> {
        self.actions(state).into_iter().map(|action| (action, self.advance(state, &action))).collect()
    }

    /// The state after an action; `None` if the action is not legal there.
    pub fn step(&self, state: &State, action: &Action) -> Option<State> {
        self.actions(state).contains(action).then(|| self.advance(state, action))
    }

    /// The state after these layers. A last `SM` counts as termination.
    ///
    /// # Errors
    /// Names the first layer that is not a legal action at its place.
    pub fn follow(&self, layers: &[Layer]) -> Result<State, FollowError> {
        let mut state = self.start();
        for (index, &layer) in layers.iter().enumerate() {
            let action = match layer {
                Layer::Softmax { classes } if classes != self.classes => {
                    return Err(FollowError::Classes { index, layer, classes: self.classes });
                }
                Layer::Softmax { .. } => Action::Terminate,
                layer => Action::Layer(layer),
            };
            state = self.step(&state, &action).ok_or(FollowError::NotAnAction { index, layer, state })?;
        }
        Ok(state)
    }

    /// The net of a walk from the start to termination.
    ///
    /// # Errors
    /// If an action is not legal at its place, or the walk does not end with termination.
    pub fn net(&self, actions: &[Action]) -> Result<Net, FollowError> {
        let softmax = Layer::Softmax { classes: self.classes };
        let layers: Vec<Layer> = actions
            .iter()
            .map(|action| match *action {
                Action::Layer(layer) => layer,
                Action::Terminate => softmax,
            })
            .collect();
        if !self.follow(&layers)?.terminal {
            return Err(FollowError::Unfinished { layers: layers.len() });
        }
        Ok(Net::new(layers)?)
    }

    /// The state after a legal action.
    pub(crate) fn advance(&self, state: &State, action: &Action) -> State {
        let map = state.map_size;
        let blank = State { depth: state.depth, ..State::start(map) };
        let layer = match *action {
            Action::Terminate => return State { depth: state.depth.saturating_add(1), terminal: true, ..*state },
            Action::Layer(layer) => layer,
        };
        match layer {
            Layer::Conv { features, kernel, stride, padding } => State {
                kind: LayerKind::Conv,
                depth: state.depth.saturating_add(1),
                features,
                kernel,
                stride,
                padding,
                map_size: window_output(map, kernel, stride, padding).unwrap_or(0),
                ..blank
            },
            Layer::Residual { features } => State {
                kind: LayerKind::Residual,
                depth: state.depth.saturating_add(2),
                features,
                kernel: RESIDUAL_KERNEL,
                stride: 1,
                padding: 1,
                ..blank
            },
            Layer::MaxPool { size, stride } => State {
                kind: LayerKind::MaxPool,
                kernel: size,
                stride,
                map_size: window_output(map, size, stride, 0).unwrap_or(0),
                ..blank
            },
            Layer::Linear { units } => State {
                kind: LayerKind::Linear,
                depth: state.depth.saturating_add(1),
                features: if state.kind == LayerKind::Linear { state.features.saturating_add(1) } else { 0 },
                map_size: 0,
                fc_size: units,
                ..blank
            },
            Layer::Softmax { .. } => State { depth: state.depth.saturating_add(1), terminal: true, ..*state },
        }
    }

    /// Whether the depth allows further convolutions and residual blocks.
    fn takes_blocks(&self, state: &State) -> bool {
        match state.kind {
            LayerKind::Start => state.depth < self.settings.min_depth,
            LayerKind::Conv | LayerKind::Residual | LayerKind::MaxPool => state.depth < self.settings.max_depth,
            LayerKind::Linear => false,
        }
    }

    fn may_terminate(&self, state: &State) -> bool {
        let deep_enough = state.depth >= self.settings.min_depth;
        let none_fits = |sizes: &[u32]| sizes.iter().all(|&size| size >= state.map_size);
        match state.kind {
            LayerKind::Start => false,
            LayerKind::Linear => true,
            LayerKind::Conv | LayerKind::Residual => deep_enough || none_fits(&self.settings.kernels),
            LayerKind::MaxPool => deep_enough || none_fits(&self.settings.pool_sizes),
        }
    }

    fn push_convolutions(&self, map: u32, actions: &mut Vec<Action>) {
        let settings = &self.settings;
        for &features in &settings.features {
            for &kernel in settings.kernels.iter().take_while(|&&kernel| kernel < map) {
                let stride = if kernel >= settings.large_kernel { settings.large_kernel_stride } else { 1 };
                let mut push = |padding| actions.push(Action::Layer(Layer::Conv { features, kernel, stride, padding }));
                push(0);
                let same = (kernel - 1) / 2;
                if same > 0 {
                    push(same);
                }
            }
        }
    }

    fn push_pools(&self, map: u32, actions: &mut Vec<Action>) {
        for &size in self.settings.pool_sizes.iter().take_while(|&&size| size < map) {
            let strides = self.settings.pool_strides.iter().filter(|&&stride| stride <= size);
            let exact = strides.filter(|&&stride| (map - size).is_multiple_of(stride));
            actions.extend(exact.map(|&stride| Action::Layer(Layer::MaxPool { size, stride })));
        }
    }

    fn push_linear(&self, state: &State, actions: &mut Vec<Action>) {
        let settings = &self.settings;
        let largest = match state.kind {
            LayerKind::Start => return,
            // `features` is the layer's index here.
            LayerKind::Linear if state.features.saturating_add(1) < settings.max_fc => state.fc_size,
            LayerKind::Linear => return,
            _ if state.depth >= settings.min_depth && settings.max_fc > 0 => u32::MAX,
            _ => return,
        };
        let sizes = settings.fc_sizes.iter().take_while(|&&units| units <= largest);
        actions.extend(sizes.map(|&units| Action::Layer(Layer::Linear { units })));
    }
}

/// The kernel of the convolutions in a residual block.
const RESIDUAL_KERNEL: u32 = 3;

/// Why layers or actions are not a walk through a space. Positions are counted from 0, messages count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// A layer is not a legal action at its place.
    #[error(
        "layer {}, `{layer}`, is not an action of this space after: {state}; list the actions there and choose one",
        .index + 1
    )]
    NotAnAction {
        /// Position of the layer.
        index: usize,
        /// The layer.
        layer: Layer,
        /// The state before it.
        state: State,
    },
    /// The classifier has another number of classes than the space.
    #[error("layer {}, `{layer}`: the space has {classes} classes; write SM({classes})", .index + 1)]
    Classes {
        /// Position of the layer.
        index: usize,
        /// The layer.
        layer: Layer,
        /// The classes of the space.
        classes: u32,
    },
    /// A walk ends before it terminates.
    #[error("the walk ends unfinished after {layers} layers; end it with `terminate`")]
    Unfinished {
        /// How many layers it has.
        layers: usize,
    },
    /// The layers do not make a net.
    #[error(transparent)]
    Net(#[from] NetError),
}
