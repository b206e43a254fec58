//! The state space against its rules.

use crate::strategies::{preset, spaces};
use dpnas_search::{Action, Layer, LayerKind, Net, Seed, Space, State};
use proptest::prelude::*;

#[test]
fn the_start_of_the_reference_code_has_84_actions() {
    let space = preset("reference-code", 28);
    let actions = space.actions(&space.start());
    let convolutions = actions.iter().filter(|action| matches!(action, Action::Layer(Layer::Conv { .. }))).count();
    let blocks = actions.iter().filter(|action| matches!(action, Action::Layer(Layer::Residual { .. }))).count();
    assert_eq!((actions.len(), convolutions, blocks), (84, 77, 7));
}

#[test]
fn large_kernels_have_stride_2_in_the_paper_and_kernel_1_appears_once() {
    let space = preset("paper", 28);
    let tokens: Vec<String> = space.actions(&space.start()).iter().take(11).map(Action::to_string).collect();
    let expected = "C(16,1,1,0,1) C(16,3,1,0,1) C(16,3,1,1,1) C(16,5,1,0,1) C(16,5,1,2,1) C(16,7,2,0,1) C(16,7,2,3,1) \
                    C(16,9,2,0,1) C(16,9,2,4,1) C(16,11,2,0,1) C(16,11,2,5,1)";
    assert_eq!(tokens.join(" "), expected);
}

#[test]
fn following_a_published_net_gives_its_states() {
    let space = preset("reference-code", 28);
    let net: Net =
        "[C(32,5,1,2,1), P(4,4,0,0), C(32,3,1,1,0), C(1024,1,1,0,1), C(512,3,1,0,1), SM(10)]".parse().unwrap();
    let states: Vec<State> = (0..=6).map(|end| space.follow(&net.layers()[..end]).unwrap()).collect();
    let of = |kind, depth, features, [kernel, stride, padding]: [u32; 3], map_size| State {
        kind,
        depth,
        features,
        kernel,
        stride,
        padding,
        map_size,
        fc_size: 0,
        terminal: false,
    };
    let last = of(LayerKind::Conv, 5, 512, [3, 1, 0], 5);
    assert_eq!(
        states,
        [
            of(LayerKind::Start, 0, 0, [0, 0, 0], 28),
            of(LayerKind::Conv, 1, 32, [5, 1, 2], 28),
            of(LayerKind::MaxPool, 1, 0, [4, 4, 0], 7),
            of(LayerKind::Residual, 3, 32, [3, 1, 1], 7),
            of(LayerKind::Conv, 4, 1024, [1, 1, 0], 7),
            last,
            State { depth: 6, terminal: true, ..last },
        ]
    );
    assert_eq!(space.actions(&states[6]), []);
}

#[test]
fn fully_connected_layers_follow_a_deep_enough_encoder_and_never_grow() {
    let settings = dpnas_search::SpaceSettings { max_fc: 2, ..dpnas_search::SpaceSettings::paper() };
    let space = settings.check(dpnas_search::ImageShape::square(1, 28), 10).unwrap();
    let after = |layers: &str| -> Vec<String> {
        let net: Net = format!("[{layers}, SM(10)]").parse().unwrap();
        let state = space.follow(&net.layers()[..net.layers().len() - 1]).unwrap();
        let tokens = space.actions(&state).iter().map(Action::to_string).collect::<Vec<_>>();
        tokens.into_iter().filter(|token| token.starts_with("FC") || token == "terminate").collect()
    };
    let all = ["FC(32)", "FC(64)", "FC(128)", "terminate"];
    assert_eq!(after("C(16,3,1,1,1), C(16,3,1,1,1)"), [""; 0]);
    assert_eq!(after("C(16,3,1,1,1), C(16,3,1,1,1), C(16,3,1,1,1)"), all);
    assert_eq!(after("C(16,3,1,1,0), C(16,3,1,1,1), P(4,4,0,0)"), all);
    // The second layer has at most the units of the first, and there is no third.
    assert_eq!(after("C(16,3,1,1,0), C(16,3,1,1,0), FC(64)"), ["FC(32)", "FC(64)", "terminate"]);
    assert_eq!(after("C(16,3,1,1,0), C(16,3,1,1,0), FC(64), FC(64)"), ["terminate"]);
}

#[test]
fn following_names_the_first_layer_that_is_not_an_action() {
    let space = preset("paper", 28);
    let error = |text: &str| space.follow(text.parse::<Net>().unwrap().layers()).unwrap_err().to_string();
    assert_eq!(
        error("[C(16,3,1,1,1), C(16,7,1,3,1), SM(10)]"),
        "layer 2, `C(16,7,1,3,1)`, is not an action of this space after: convolution, depth 1, 16 features, kernel 3, \
         stride 1, padding 1, map 28x28; list the actions there and choose one"
    );
    assert_eq!(
        error("[C(16,3,1,1,1), SM(10)]"),
        "layer 2, `SM(10)`, is not an action of this space after: convolution, depth 1, 16 features, kernel 3, stride 1, \
         padding 1, map 28x28; list the actions there and choose one"
    );
    assert_eq!(
        error("[C(16,3,1,1,0), C(16,3,1,1,1), SM(2)]"),
        "layer 3, `SM(2)`: the space has 10 classes; write SM(10)"
    );
    let walk = [Action::Layer(Layer::Residual { features: 16 })];
    assert_eq!(
        space.net(&walk).unwrap_err().to_string(),
        "the walk ends unfinished after 1 layers; end it with `terminate`"
    );
}

#[test]
fn extreme_states_do_not_overflow() {
    let space = preset("paper", 28);
    for kind in [LayerKind::Start, LayerKind::Conv, LayerKind::Residual, LayerKind::MaxPool, LayerKind::Linear] {
        for depth in [0, u32::MAX] {
            let state = State {
                kind,
                depth,
                features: u32::MAX,
                kernel: u32::MAX,
                stride: u32::MAX,
                padding: u32::MAX,
                map_size: u32::MAX,
                fc_size: u32::MAX,
                terminal: false,
            };
            for action in space.actions(&state) {
                assert!(space.step(&state, &action).is_some());
            }
        }
    }
}

/// The rules of SPEC §4, one after the other, as a question about a single action.
fn rules_allow(space: &Space, state: &State, action: Action) -> bool {
    let settings = space.settings();
    let (m, d) = (state.map_size, state.depth);
    let deep = d >= settings.min_depth;
    let block = matches!(state.kind, LayerKind::Conv | LayerKind::Residual);
    let room = match state.kind {
        LayerKind::Start => d < settings.min_depth,
        LayerKind::Linear => false,
        _ => d < settings.max_depth,
    };
    match action {
        Action::Terminate => match state.kind {
            LayerKind::Start => false,
            LayerKind::Linear => true,
            LayerKind::MaxPool => deep || !settings.pool_sizes.iter().any(|&size| size < m),
            _ => deep || !settings.kernels.iter().any(|&kernel| kernel < m),
        },
        Action::Layer(Layer::Linear { units }) => {
            settings.fc_sizes.contains(&units)
                && match state.kind {
                    LayerKind::Start => false,
                    LayerKind::Linear => state.features + 1 < settings.max_fc && units <= state.fc_size,
                    _ => deep && settings.max_fc > 0,
                }
        }
        Action::Layer(Layer::Conv { features, kernel, stride, padding }) => {
            let expected = if kernel < settings.large_kernel { 1 } else { settings.large_kernel_stride };
            room && settings.features.contains(&features)
                && settings.kernels.contains(&kernel)
                && kernel < m
                && (padding == 0 || padding == (kernel - 1) / 2)
                && stride == expected
        }
        Action::Layer(Layer::Residual { features }) => room && settings.features.contains(&features) && m > 3,
        Action::Layer(Layer::MaxPool { size, stride }) => {
            block
                && settings.pool_sizes.contains(&size)
                && size < m
                && settings.pool_strides.contains(&stride)
                && stride <= size
                && (m - size) % stride == 0
        }
        Action::Layer(Layer::Softmax { .. }) => false,
    }
}

/// Every action with numbers up to those that the strategies use.
fn every_action() -> Vec<Action> {
    let mut layers = Vec::new();
    for features in 1..=16 {
        layers.push(Layer::Residual { features });
        for kernel in 1..=9 {
            for stride in 1..=3 {
                layers.extend((0..=4).map(|padding| Layer::Conv { features, kernel, stride, padding }));
            }
        }
    }
    for size in 1..=5 {
        layers.extend((1..=4).map(|stride| Layer::MaxPool { size, stride }));
    }
    layers.extend((1..=8).map(|units| Layer::Linear { units }));
    layers.into_iter().map(Action::Layer).chain([Action::Terminate]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_state_of_a_walk_has_the_actions_that_the_rules_allow(space in spaces(), seed: u64) {
        let walk = space.uniform_walk(&mut Seed(seed).stream("walk", 0).rng());
        let mut state = space.start();
        for action in walk {
            let mut actions = space.actions(&state);
            prop_assert!(actions.contains(&action));
            actions.sort_unstable();
            let count = actions.len();
            actions.dedup();
            prop_assert_eq!(actions.len(), count, "no action appears twice");
            let mut allowed: Vec<Action> =
                every_action().into_iter().filter(|&action| rules_allow(&space, &state, action)).collect();
            if allowed.is_empty() {
                allowed.push(Action::Terminate); // no walk gets stuck
            }
            allowed.sort_unstable();
            prop_assert_eq!(&actions, &allowed, "{}", state);
            state = space.step(&state, &action).unwrap();
        }
        prop_assert!(state.terminal);
    }

    #[test]
    fn every_state_within_reach_has_an_action_or_is_terminal(space in spaces(), seeds in prop::collection::vec(any::<u64>(), 20)) {
        for seed in seeds {
            let mut state = space.start();
            for action in space.uniform_walk(&mut Seed(seed).stream("walk", 0).rng()) {
                for neighbour in space.actions(&state) {
                    let next = space.step(&state, &neighbour).unwrap();
                    prop_assert_eq!(space.actions(&next).is_empty(), next.terminal, "{}", next);
                }
                state = space.step(&state, &action).unwrap();
            }
        }
    }

    #[test]
    fn every_walk_is_a_net_that_parses_plans_and_keeps_to_the_depths(space in spaces(), seed: u64) {
        let walk = space.uniform_walk(&mut Seed(seed).stream("walk", 0).rng());
        let net = space.net(&walk).unwrap();
        prop_assert_eq!(&net.to_string().parse::<Net>().unwrap(), &net);
        let plan = net.plan(space.input()).unwrap();
        let end = space.follow(net.layers()).unwrap();
        prop_assert!(end.terminal);
        if end.kind != LayerKind::Linear {
            prop_assert_eq!(plan.output().height, end.map_size);
        }

        let encoder = net.encoder();
        let block_depth = |layer: &Layer| match layer {
            Layer::Conv { .. } => 1,
            Layer::Residual { .. } => 2,
            _ => 0,
        };
        let depth: u32 = encoder.iter().map(block_depth).sum();
        prop_assert_eq!(end.depth, depth + net.linear_units().count() as u32 + 1);
        let last_block = encoder.iter().rev().map(block_depth).find(|&depth| depth > 0).unwrap();
        prop_assert!(depth - last_block < space.settings().max_depth, "the last block began below the greatest depth");
        if depth < space.settings().min_depth {
            let last = space.follow(encoder).unwrap();
            let smallest = if last.kind == LayerKind::MaxPool { &space.settings().pool_sizes } else { &space.settings().kernels };
            let stuck = space.actions(&last) == [Action::Terminate];
            prop_assert!(stuck || smallest[0] >= last.map_size, "ends early only where nothing fits: {}", net);
        }
    }
}
