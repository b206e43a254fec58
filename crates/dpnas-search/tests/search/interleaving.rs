//! Any legal order of asks and tells.

use crate::strategies::{spaces, two_nets};
use dpnas_search::{
    Candidate, CandidateId, Continuation, EarlierRow, Feedback, Net, Origin, Place, QValue, RejectedBy, Row, Search,
    SearchSettings, Seed, Space,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a caller may do next.
#[derive(Clone, Copy, Debug)]
enum Move {
    Ask,
    /// Tell the candidate at this position of those in flight (modulo their number).
    Tell(usize, Feedback),
}

/// What a caller did, as a journal would keep it.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Asked(Option<Candidate>),
    AskFailed,
    Told(CandidateId, Feedback),
}

fn outcomes() -> impl Strategy<Value = Feedback> {
    prop_oneof![
        6 => (0.0..=1.0f64).prop_map(|reward| Feedback::Scored { reward }),
        1 => Just(Feedback::Scored { reward: 0.0 }),
        1 => Just(Feedback::Rejected),
        1 => Just(Feedback::OutOfMemory),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let tell = (any::<usize>(), outcomes()).prop_map(|(position, outcome)| Move::Tell(position, outcome));
    prop::collection::vec(prop_oneof![Just(Move::Ask), tell], 0..80)
}

fn some_spaces() -> impl Strategy<Value = Space> {
    prop_oneof![4 => spaces(), 1 => Just(two_nets())]
}

fn new_search(space: &Space, seed: u64) -> Search {
    let schedule = "1.0:8,0.5:8,0.0:6".parse().unwrap();
    let settings = SearchSettings { replay_number: 2, schedule, ..SearchSettings::paper() };
    Search::new(space.clone(), settings, Seed(seed)).unwrap()
}

/// A search that was cut after some candidates and continued from what it left.
fn continued_search(space: &Space, seed: u64, cut: usize) -> Search {
    let mut earlier = new_search(space, seed);
    for _ in 0..cut {
        let Ok(Some(candidate)) = earlier.ask() else { break };
        earlier.tell(candidate.id, Feedback::Scored { reward: 0.125 }).unwrap();
    }
    let rows = earlier.rows().iter();
    let rows = rows.map(|row| EarlierRow { epsilon: row.epsilon, net: (*row.net).clone(), reward: row.reward });
    let (rows, q_values) = (rows.collect(), earlier.q_table().entries().map(QValue::from).collect());
    let continuation = Continuation { rows, q_values, place: Place { epsilon: 0.5, position: 2 } };
    Search::continuing(space.clone(), earlier.settings().clone(), Seed(seed), continuation).unwrap()
}

fn ask(search: &mut Search) -> Event {
    search.ask().map_or(Event::AskFailed, Event::Asked)
}

/// Makes one move; `None` if it is not legal now.
fn make(search: &mut Search, next: Move) -> Option<Event> {
    match next {
        Move::Ask => Some(ask(search)),
        Move::Tell(position, outcome) => {
            let in_flight: Vec<CandidateId> = search.in_flight().map(|candidate| candidate.id).collect();
            let id = *in_flight.get(position.checked_rem(in_flight.len())?)?;
            search.tell(id, outcome).unwrap();
            Some(Event::Told(id, outcome))
        }
    }
}

/// What rows, progress and events must agree on; `before` architectures of the schedule were counted in an earlier run.
fn check(search: &Search, before: u64, events: &[Event]) -> Result<(), TestCaseError> {
    let progress = search.progress();
    prop_assert!(progress.counted + progress.in_flight <= progress.total, "the schedule is never overshot");
    let (earlier, rows) = search.rows().split_at(search.earlier_rows());
    let counted = rows.iter().filter(|row| row.reward != 0.0).count();
    prop_assert_eq!(progress.counted, before + counted as u64);
    prop_assert_eq!(search.is_finished(), progress.counted == progress.total);

    let mut asked = BTreeMap::new();
    let mut told = BTreeMap::new();
    for event in events {
        match event {
            Event::Asked(Some(candidate)) => {
                prop_assert_eq!(candidate.id.0, asked.len() as u64, "candidates are numbered as they are asked for");
                asked.insert(candidate.id, candidate.clone());
            }
            Event::Asked(None) | Event::AskFailed => {}
            Event::Told(id, outcome) => {
                prop_assert!(told.insert(*id, *outcome).is_none());
            }
        }
    }
    let nets: BTreeSet<&Net> = asked.values().map(|candidate| &*candidate.net).collect();
    prop_assert_eq!(nets.len(), asked.len(), "no architecture is handed out twice");
    prop_assert!(earlier.iter().all(|row| !nets.contains(&*row.net)), "none of an earlier run is handed out");
    prop_assert!(search.in_flight().eq(asked.values().filter(|candidate| !told.contains_key(&candidate.id))));
    check_rows(search.rows(), &asked, &told)
}

fn check_rows(
    rows: &[Row],
    asked: &BTreeMap<CandidateId, Candidate>,
    told: &BTreeMap<CandidateId, Feedback>,
) -> Result<(), TestCaseError> {
    let mut first_rows = BTreeSet::new();
    let mut rewards: BTreeMap<Arc<Net>, f64> = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        let known = *rewards.entry(Arc::clone(&row.net)).or_insert(row.reward);
        prop_assert_eq!(known, row.reward, "an architecture has one reward");
        match &row.origin {
            Origin::Scored(id) => {
                prop_assert!(first_rows.insert(*id));
                prop_assert_eq!(told.get(id), Some(&Feedback::Scored { reward: row.reward }));
                prop_assert_eq!((&row.net, row.epsilon), (&asked[id].net, asked[id].epsilon));
            }
            Origin::Rejected(RejectedBy::Evaluation(id)) => {
                prop_assert!(first_rows.insert(*id));
                prop_assert_eq!(told.get(id), Some(&Feedback::Rejected));
                prop_assert_eq!((&row.net, row.epsilon, row.reward), (&asked[id].net, asked[id].epsilon, 0.0));
            }
            Origin::Repeated(id) => {
                prop_assert!(first_rows.contains(id), "a repetition comes after the first");
                prop_assert_eq!(&row.net, &asked[id].net);
            }
            Origin::Rejected(_) => prop_assert_eq!(row.reward, 0.0),
            Origin::Earlier { row: first } => {
                prop_assert!(*first <= number);
                prop_assert_eq!(&row.net, &rows[*first].net);
            }
        }
    }
    let recorded = told.iter().filter(|(_, outcome)| **outcome != Feedback::OutOfMemory).map(|(id, _)| *id);
    prop_assert!(first_rows.into_iter().eq(recorded), "each told candidate has one first row, unless out of memory");
    Ok(())
}

/// Makes moves on a search and then goes to its end; the events must give the same again on a search that begins alike.
fn make_and_replay(begin: impl Fn() -> Search, moves: Vec<Move>) -> Result<(), TestCaseError> {
    let mut search = begin();
    let before = search.progress().counted;
    let mut events = Vec::new();
    for next in moves {
        events.extend(make(&mut search, next));
        if events.last() == Some(&Event::AskFailed) {
            break;
        }
    }
    check(&search, before, &events)?;

    // One at a time to the end.
    while events.last() != Some(&Event::AskFailed) {
        let next = if search.in_flight().next().is_some() {
            Move::Tell(0, Feedback::Scored { reward: 0.25 })
        } else if search.is_finished() {
            break;
        } else {
            Move::Ask
        };
        events.extend(make(&mut search, next));
    }
    check(&search, before, &events)?;

    let mut again = begin();
    for event in &events {
        match event {
            Event::Told(id, outcome) => again.tell(*id, *outcome).unwrap(),
            asked => prop_assert_eq!(&ask(&mut again), asked),
        }
    }
    prop_assert_eq!(again.rows(), search.rows());
    prop_assert!(again.q_table().entries().eq(search.q_table().entries()), "values are equal bit for bit");
    prop_assert_eq!(again.progress(), search.progress());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_interleaving_keeps_the_invariants_and_can_be_replayed(space in some_spaces(), seed: u64, moves in moves()) {
        make_and_replay(|| new_search(&space, seed), moves)?;
    }

    #[test]
    fn every_interleaving_of_a_continued_search_keeps_them_too(
        space in some_spaces(),
        seed: u64,
        cut in 0usize..9,
        moves in moves(),
    ) {
        make_and_replay(|| continued_search(&space, seed, cut), moves)?;
    }
}
