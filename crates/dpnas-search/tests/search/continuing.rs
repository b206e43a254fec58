//! Going on from the rows and the values of an earlier run.

use crate::naive::{Naive, key};
use crate::strategies::{preset, spaces, two_nets};
use dpnas_search::{
    Action, Candidate, Continuation, ContinueError, EarlierRow, Feedback, Layer, Net, Origin, Place, QValue, Search,
    SearchSettings, Seed, Space,
};
use proptest::prelude::*;

fn settings(schedule: &str) -> SearchSettings {
    SearchSettings { replay_number: 3, schedule: schedule.parse().unwrap(), ..SearchSettings::paper() }
}

fn new_search(space: &Space, seed: u64) -> Search {
    Search::new(space.clone(), settings("1.0:6,0.5:5,0.0:4"), Seed(seed)).unwrap()
}

/// Some outcome that depends on the architecture alone: a few are rejected or have reward 0.
fn outcome(candidate: &Candidate) -> Feedback {
    let text = candidate.net.to_string();
    let sum = text.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) >> 8;
    if sum.is_multiple_of(9) { Feedback::Rejected } else { Feedback::Scored { reward: f64::from(sum % 100) / 99.0 } }
}

/// Tells up to `candidates` outcomes, one at a time; gives whether there were more to come.
fn advance(search: &mut Search, candidates: usize) -> bool {
    for _ in 0..candidates {
        let Ok(Some(candidate)) = search.ask() else { return false };
        search.tell(candidate.id, outcome(&candidate)).unwrap();
        if search.rows().len() > 300 {
            return false; // a space whose limits reject nearly everything
        }
    }
    true
}

/// What the two CSV files of a run hold.
fn left_by(search: &Search) -> Continuation {
    let rows = search.rows().iter();
    let rows = rows.map(|row| EarlierRow { epsilon: row.epsilon, net: (*row.net).clone(), reward: row.reward });
    let counted = search.progress().counted;
    let mut before = 0;
    let phases = search.settings().schedule.phases();
    let due = phases.iter().find(|phase| {
        before += u64::from(phase.architectures);
        counted < before
    });
    let phase = due.unwrap_or(&phases[phases.len() - 1]);
    let position = counted + u64::from(phase.architectures) - before;
    Continuation {
        rows: rows.collect(),
        q_values: search.q_table().entries().map(QValue::from).collect(),
        place: Place { epsilon: phase.epsilon, position: position as u32 },
    }
}

fn continued(of: &Search, left: Continuation) -> Result<Search, ContinueError> {
    Search::continuing(of.space().clone(), of.settings().clone(), of.seed(), left)
}

/// Rows without their origin.
fn facts(search: &Search) -> Vec<(u64, Net, u64)> {
    search.rows().iter().map(|row| (row.epsilon.to_bits(), (*row.net).clone(), row.reward.to_bits())).collect()
}

fn values(search: &Search) -> Vec<(QValue, u64)> {
    search.q_table().entries().map(|entry| (entry.into(), entry.value.to_bits())).collect()
}

fn assert_same(continued: &Search, original: &Search) -> Result<(), TestCaseError> {
    prop_assert_eq!(facts(continued), facts(original));
    prop_assert_eq!(values(continued), values(original));
    prop_assert_eq!(continued.q_table().states(), original.q_table().states());
    prop_assert!(continued.q_table().taken_entries().eq(original.q_table().taken_entries()));
    let place = |search: &Search| (search.progress().counted, search.progress().epsilon);
    prop_assert_eq!(place(continued), place(original));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_run_that_is_continued_from_its_files_goes_on_as_if_it_had_not_stopped(
        space in spaces(),
        seed: u64,
        cut in 0usize..14,
    ) {
        let mut original = new_search(&space, seed);
        advance(&mut original, cut);
        let mut again = continued(&original, left_by(&original)).unwrap();
        assert_same(&again, &original)?;
        prop_assert!(again.is_fresh());
        prop_assert_eq!(again.earlier_rows(), original.rows().len());
        let origins = (0..again.rows().len()).map(|row| Origin::Earlier { row });
        prop_assert!(again.rows().iter().map(|row| row.origin.clone()).eq(origins));
        // One at a time, side by side.
        loop {
            let (asked, expected) = (again.ask(), original.ask());
            let Ok(Some(expected)) = expected else {
                prop_assert_eq!(asked.is_err(), expected.is_err());
                break;
            };
            let asked = asked.unwrap().unwrap();
            prop_assert_eq!((&asked.net, asked.epsilon), (&expected.net, expected.epsilon));
            again.tell(asked.id, outcome(&asked)).unwrap();
            original.tell(expected.id, outcome(&expected)).unwrap();
            if original.rows().len() > 300 { break; }
        }
        assert_same(&again, &original)?;
    }

    #[test]
    fn learning_goes_on_from_any_values_as_in_a_naive_table(space in spaces(), seed: u64, shift in -0.1..0.6f64) {
        let mut earlier = new_search(&space, seed);
        prop_assume!(advance(&mut earlier, 5));
        let mut left = left_by(&earlier);
        for (number, value) in left.q_values.iter_mut().enumerate() {
            value.value = (value.value + shift * (number % 5) as f64).clamp(0.0, 1.0);
        }
        let values = left.q_values.iter().map(|q| (key(&q.state, &q.action), q.value)).collect();
        let mut search = continued(&earlier, left).unwrap();
        let begun = search.rows().len();
        advance(&mut search, 4);
        prop_assume!(search.rows().len() <= 100);
        let mut naive = Naive::of(&search, values, begun);
        for entry in search.q_table().entries() {
            prop_assert_eq!(entry.value.to_bits(), naive.value(&entry.state, &entry.action).to_bits(), "{} in {}", entry.action, entry.state);
            naive.values.remove(&key(&entry.state, &entry.action));
        }
        prop_assert!(naive.values.is_empty(), "every value of the naive table is an entry");
    }
}

/// A search of two nets whose first has the reward 0.5, cut after that.
fn one_of_two() -> (Search, Net) {
    let mut search = Search::new(two_nets(), settings("1.0:4,0.0:3"), Seed(5)).unwrap();
    let candidate = search.ask().unwrap().unwrap();
    search.tell(candidate.id, Feedback::Scored { reward: 0.5 }).unwrap();
    (search, (*candidate.net).clone())
}

#[test]
fn known_architectures_are_not_scored_again() {
    let (search, known) = one_of_two();
    let mut again = continued(&search, left_by(&search)).unwrap();
    let mut asked = Vec::new();
    while let Some(candidate) = again.ask().unwrap() {
        again.tell(candidate.id, Feedback::Scored { reward: 0.25 }).unwrap();
        asked.push((*candidate.net).clone());
    }
    assert!(again.is_finished());
    assert_eq!(asked.len(), 1);
    assert_ne!(asked[0], known);
    let repeated: Vec<_> = again.rows()[1..].iter().filter(|row| *row.net == known).collect();
    assert!(!repeated.is_empty());
    assert!(repeated.iter().all(|row| row.reward == 0.5 && row.origin == Origin::Earlier { row: 0 }));
}

#[test]
fn a_barren_search_gives_up_after_the_same_draw() {
    let mut original = Search::new(two_nets(), settings("1.0:4,0.0:3"), Seed(5)).unwrap();
    for _ in 0..2 {
        let candidate = original.ask().unwrap().unwrap();
        original.tell(candidate.id, Feedback::Scored { reward: 0.0 }).unwrap();
    }
    let mut again = continued(&original, left_by(&original)).unwrap();
    assert_eq!(again.ask().unwrap_err(), original.ask().unwrap_err());
    assert_same(&again, &original).unwrap();
}

#[test]
fn rejected_rows_of_an_earlier_run_do_not_count() {
    let (search, known) = one_of_two();
    let mut left = left_by(&search);
    left.rows = vec![EarlierRow { epsilon: 1.0, net: known, reward: 0.0 }; 2];
    left.place = Place { epsilon: 1.0, position: 0 };
    let again = continued(&search, left).unwrap();
    assert_eq!((again.progress().counted, again.rows().len()), (0, 2));
    assert_eq!(again.rows()[1].origin, Origin::Earlier { row: 1 });
}

#[test]
fn the_place_is_counted_through_the_schedule() {
    let schedule = "1.0:10,0.30000000000000004:5,0.0:2".parse().unwrap();
    let counted = |epsilon, position| Place { epsilon, position }.counted(&schedule).map_err(|error| error.to_string());
    assert_eq!(counted(1.0, 0), Ok(0));
    assert_eq!(counted(1.0, 10), Ok(10));
    assert_eq!(counted(0.3, 3), Ok(13));
    assert_eq!(counted(0.0, 2), Ok(17));
    assert_eq!(
        counted(0.25, 0).unwrap_err(),
        "the schedule 1.0:10,0.30000000000000004:5,0.0:2 has no epsilon 0.25; give one that it has, or the schedule of \
         the earlier run"
    );
    assert_eq!(counted(0.3, 6).unwrap_err(), "position 6 is past the 5 architectures of epsilon 0.3; give at most 5");
    assert!(counted(f64::NAN, 0).is_err());
    let twice = Place { epsilon: 0.5, position: 0 }.counted(&"0.5:1,1.0:1,0.5:1".parse().unwrap()).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "the schedule 0.5:1,1.0:1,0.5:1 has epsilon 0.5 more than once, so the place in it is not clear; make them \
         differ, for example by 0.001"
    );
}

/// The message of a continuation that is changed in one thing, with its cause.
fn refusal(change: impl FnOnce(&mut Continuation)) -> String {
    let (search, _) = one_of_two();
    let mut left = left_by(&search);
    change(&mut left);
    let error = continued(&search, left).unwrap_err();
    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

#[test]
fn a_net_that_does_not_fit_the_space_is_named_with_its_row_and_layer() {
    let foreign = EarlierRow { epsilon: 1.0, net: "[C(1,2,1,0,1), SM(2)]".parse().unwrap(), reward: 0.5 };
    assert_eq!(
        refusal(|left| left.rows.push(foreign)),
        "row 1 of the replay buffer, [C(1,2,1,0,1), SM(2)], does not fit the space; continue with the space and the \
         images of the earlier run (the published program's space is `reference-code`): layer 1, `C(1,2,1,0,1)`, is not \
         an action of this space after: start, depth 0, map 3x3; list the actions there and choose one"
    );
    let classes = EarlierRow { epsilon: 1.0, net: "[C(1,1,1,0,1), SM(7)]".parse().unwrap(), reward: 0.5 };
    assert!(refusal(|left| left.rows.push(classes)).ends_with("the space has 2 classes; write SM(2)"));
}

#[test]
fn numbers_out_of_range_are_named_with_their_row() {
    assert_eq!(
        refusal(|left| left.rows[0].reward = f64::NAN),
        "row 0 of the replay buffer: reward NaN is out of range; give a fraction from 0 to 1"
    );
    assert_eq!(
        refusal(|left| left.rows[0].epsilon = 1.5),
        "row 0 of the replay buffer: epsilon 1.5 is a probability; give a number from 0 to 1"
    );
    assert_eq!(
        refusal(|left| left.q_values[1].value = f64::INFINITY),
        "Q-value 1: inf is not a finite number; restore the Q-values from the earlier run"
    );
    assert!(refusal(|left| left.place.position = 9).starts_with("position 9 is past the 4 architectures"));
}

#[test]
fn one_architecture_with_two_rewards_is_refused() {
    let message = refusal(|left| {
        let mut again = left.rows[0].clone();
        left.rows.push(again.clone());
        again.reward = 0.75;
        left.rows.push(again);
    });
    assert!(message.starts_with("row 2 of the replay buffer gives [C(1,1,1,0,1), "), "{message}");
    assert!(message.contains("the reward 0.75, but row 0 gives it 0.5"), "{message}");
}

#[test]
fn a_value_of_another_space_or_image_size_is_refused() {
    let residual = Action::Layer(Layer::Residual { features: 1 });
    let message = refusal(|left| left.q_values[0].action = residual);
    assert!(message.starts_with("Q-value 0: `C(1,3,1,1,0)` is not an action of the space after: start"), "{message}");
    let message = refusal(|left| left.q_values[0].state = preset("paper", 28).start());
    assert!(message.contains("is not an action of the space after: start, depth 0, map 28x28"), "{message}");
}
