//! Files in the format of the published program, made by pandas (`fixtures/csv`).

use dpnas::search::{ImageShape, Place, SearchSettings, Seed, Space, SpaceSettings, State};
use dpnas::{EarlierRun, read_q_values, read_replay_buffer};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/csv").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

fn space() -> Space {
    SpaceSettings::reference_code().check(ImageShape::square(1, 8), 10).unwrap()
}

#[test]
fn the_replay_buffer_is_read_with_its_repetitions_and_rejections() {
    let name = "published_replay_buffer.csv";
    let rows = read_replay_buffer(text(name).as_bytes(), &fixture(name)).unwrap();
    assert_eq!(rows.len(), 30);
    let nets: BTreeSet<&str> = rows.iter().map(|row| row.net.as_str()).collect();
    assert_eq!(nets.len(), 6);
    assert_eq!(rows.iter().filter(|row| row.metrics.is_none()).count(), 1);
    assert!(rows.iter().filter_map(|row| row.metrics.as_ref()).all(|score| {
        let mean = score.valid_accuracy.iter().sum::<f64>() / score.valid_accuracy.len() as f64;
        score.train_flag && (mean - score.reward).abs() < 1e-9
    }));
}

#[test]
fn the_actions_of_every_state_are_those_of_the_space_with_kernel_1_twice() {
    let (name, space) = ("published_q_values.csv", space());
    let values = read_q_values(text(name).as_bytes(), &fixture(name), &space).unwrap();
    let mut by_state: BTreeMap<State, BTreeSet<String>> = BTreeMap::new();
    for value in &values {
        assert!(by_state.entry(value.state).or_default().insert(value.action.to_string()));
    }
    for (state, actions) in &by_state {
        let expected: BTreeSet<String> = space.actions(state).iter().map(ToString::to_string).collect();
        assert_eq!(*actions, expected, "after {state}");
    }
    let kernel_1 = values.iter().filter(|value| value.action.to_string().contains(",1,1,0,1)")).count();
    let lines = text(name).lines().count() - 1;
    assert!(kernel_1 > 0);
    assert_eq!(lines, values.len() + kernel_1, "each kernel 1 stands twice");
    assert!(values.iter().any(|value| value.value < 1e-5), "an exponent is read");
}

#[test]
fn a_search_goes_on_from_the_files_of_the_published_program() {
    let place = Place { epsilon: 0.9, position: 10 };
    let files = ["published_replay_buffer.csv", "published_q_values.csv"].map(fixture);
    let earlier = EarlierRun::read(&files[0], &files[1], place, &space()).unwrap();
    assert_eq!(earlier.counted_at_place(), 10);
    let search = earlier.search(space(), SearchSettings::paper(), Seed(0)).unwrap();
    assert_eq!((search.rows().len(), search.progress().counted), (30, 1510));
    assert_eq!(search.progress().epsilon, Some(0.9));
    let best = search.q_table().best_actions(&search.space().start());
    let name = "published_q_values.csv";
    let values = read_q_values(text(name).as_bytes(), &fixture(name), search.space()).unwrap();
    let of_start = values.iter().filter(|value| value.state == search.space().start());
    let highest = of_start.max_by(|a, b| a.value.total_cmp(&b.value)).unwrap();
    assert_eq!(best, [highest.action]);
}
