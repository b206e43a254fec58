//! The Q-table against a naive second implementation, and what learning does to a search.

use crate::naive::{Naive, key};
use crate::strategies::{preset, spaces};
use dpnas_search::{Action, AskError, Candidate, Feedback, Layer, Origin, Search, SearchSettings, Seed};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Some reward that depends on the architecture alone; a quarter of them are 0.
fn some_reward(candidate: &Candidate) -> f64 {
    let sum = candidate.net.to_string().bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    f64::from((sum >> 8) % 4) / 3.0
}

fn run(mut search: Search, reward: impl Fn(&Candidate) -> f64) -> Result<Search, AskError> {
    while let Some(candidate) = search.ask()? {
        let reward = reward(&candidate);
        search.tell(candidate.id, Feedback::Scored { reward }).unwrap();
    }
    Ok(search)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_table_equals_a_naive_one_bit_for_bit(
        space in spaces(),
        seed: u64,
        rates in (0.01..=1.0, 0.0..=1.0, 0.0..=1.0),
        replay_number in 1u32..6,
    ) {
        let settings = SearchSettings {
            q_learning_rate: rates.0,
            q_discount_factor: rates.1,
            initial_q: rates.2,
            replay_number,
            schedule: "1.0:4,0.5:4,0.0:3".parse().unwrap(),
        };
        let mut search = Search::new(space.clone(), settings, Seed(seed)).unwrap();
        for _ in 0..25 {
            match search.ask() {
                Ok(Some(candidate)) => {
                    let reward = some_reward(&candidate);
                    search.tell(candidate.id, Feedback::Scored { reward }).unwrap();
                }
                Ok(None) | Err(_) => break,
            }
        }
        // The naive table takes too long for spaces whose limits reject nearly everything.
        prop_assume!(search.rows().len() <= 200);
        let naive = Naive::of(&search, BTreeMap::new(), 0);
        let table = search.q_table();
        let mut seen = 0;
        for entry in table.entries() {
            prop_assert_eq!(entry.value.to_bits(), naive.value(&entry.state, &entry.action).to_bits());
            prop_assert_eq!(space.step(&entry.state, &entry.action), Some(entry.next));
            prop_assert_eq!(table.value(&entry.state, &entry.action), Some(entry.value));
            seen += usize::from(naive.values.contains_key(&key(&entry.state, &entry.action)));
        }
        prop_assert_eq!(seen, naive.values.len(), "every learnt value is an entry");
        prop_assert_eq!(table.taken_entries().count(), naive.values.len());
        for entry in table.taken_entries() {
            prop_assert_eq!(table.value(&entry.state, &entry.action), Some(entry.value));
            prop_assert_eq!(space.step(&entry.state, &entry.action), Some(entry.next));
        }
    }
}

#[test]
fn one_update_is_the_published_formula() {
    let settings = SearchSettings { replay_number: 1, schedule: "1.0:1".parse().unwrap(), ..SearchSettings::paper() };
    let search = Search::new(preset("small", 8), settings, Seed(1)).unwrap();
    let search = run(search, |_| 0.65).unwrap();
    // Only the last step learns: 0.15 + 0.1·(0.65 − 0.15). One step before, another action may be worth 0.15 at most,
    // so the learnt 0.2 is the best: 0.15 + 0.1·(0.2 − 0.15), and so on.
    let values: Vec<f64> = search.q_table().taken_entries().map(|entry| entry.value).collect();
    let mut expected = vec![0.15 + 0.1 * (0.65 - 0.15)];
    while expected.len() < values.len() {
        expected.push(0.15 + 0.1 * (expected[expected.len() - 1] - 0.15));
    }
    expected.reverse();
    assert_eq!(values.len(), search.rows()[0].net.layers().len());
    assert!(values.iter().zip(&expected).all(|(value, expected)| (value - expected).abs() < 1e-15), "{values:?}");
    let best = search.q_table().best_actions(&search.space().start());
    assert_eq!(best, [Action::Layer(search.rows()[0].net.layers()[0])]);
}

#[test]
fn a_state_that_was_not_met_has_no_values() {
    let search = Search::new(preset("small", 8), SearchSettings::paper(), Seed(1)).unwrap();
    let (table, start) = (search.q_table(), search.space().start());
    assert_eq!(table.value(&start, &search.space().actions(&start)[0]), None);
    assert_eq!(table.best_actions(&start), []);
    assert_eq!((table.entries().count(), table.states()), (0, 0));
}

#[test]
fn learning_finds_better_architectures_than_chance() {
    // A reward that looks for features and likes pooling.
    let reward = |candidate: &Candidate| {
        let plan = candidate.net.plan(dpnas_search::ImageShape::square(1, 28)).unwrap();
        let pools = candidate.net.layers().iter().filter(|layer| matches!(layer, Layer::MaxPool { .. })).count();
        (0.3 + 0.05 * (plan.features() as f64).log2() + 0.03 * pools as f64).min(1.0)
    };
    let settings =
        SearchSettings { schedule: "1.0:300,0.5:100,0.1:100,0.0:3".parse().unwrap(), ..SearchSettings::paper() };
    let search = run(Search::new(preset("small", 28), settings, Seed(3)).unwrap(), reward).unwrap();
    let mean = |epsilon: f64| {
        let rewards: Vec<f64> = search
            .rows()
            .iter()
            .filter(|row| row.epsilon == epsilon && row.reward > 0.0)
            .map(|row| row.reward)
            .collect();
        rewards.iter().sum::<f64>() / rewards.len() as f64
    };
    assert!(mean(0.1) > mean(1.0) + 0.05, "{} at 0.1, {} at 1", mean(0.1), mean(1.0));
    assert!(mean(0.0) > mean(1.0) + 0.05, "{} at 0, {} at 1", mean(0.0), mean(1.0));
}

/// The walks are a promise: a change here changes every search and belongs into the changelog.
#[test]
fn value_stability_of_the_first_candidates() {
    let settings = SearchSettings { schedule: "1.0:3,0.0:2".parse().unwrap(), ..SearchSettings::paper() };
    let search = run(Search::new(preset("small", 8), settings, Seed(42)).unwrap(), some_reward).unwrap();
    let rows: Vec<String> = search.rows().iter().map(|row| format!("{} {}", row.net, row.reward)).collect();
    let best = "[C(16,3,1,1,1), C(16,5,2,0,1), C(128,1,1,0,1), C(32,1,1,0,1), SM(10)] 1";
    assert_eq!(
        rows,
        [
            "[C(16,5,2,2,1), C(32,3,1,1,1), C(128,1,1,0,1), C(32,1,1,0,1), SM(10)] 0",
            "[C(64,3,1,1,1), P(4,4,0,0), C(16,1,1,0,1), C(64,1,1,0,1), C(32,1,1,0,1), SM(10)] 0",
            best,
            "[C(64,5,2,2,1), C(16,1,1,0,1), C(16,3,1,0,1), C(32,1,1,0,1), SM(10)] 0.3333333333333333",
            "[C(16,1,1,0,1), P(4,4,0,0), C(16,1,1,0,1), C(64,1,1,0,1), C(64,1,1,0,1), SM(10)] 0.6666666666666666",
            best,
            best,
        ]
    );
    assert!(search.rows().iter().all(|row| !matches!(row.origin, Origin::Rejected(_))));
}
