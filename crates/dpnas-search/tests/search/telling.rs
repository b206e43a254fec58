//! What asking and telling do, case by case.

use crate::strategies::{preset, two_nets};
use dpnas_search::{
    AskError, CandidateId, Feedback, ImageShape, MAX_FRUITLESS_DRAWS, Origin, RejectedBy, Search, SearchSettings, Seed,
    Space, SpaceSettings, TellError,
};

fn search(space: Space, schedule: &str) -> Search {
    let schedule = schedule.parse().unwrap();
    Search::new(space, SearchSettings { replay_number: 3, schedule, ..SearchSettings::paper() }, Seed(5)).unwrap()
}

fn scored(reward: f64) -> Feedback {
    Feedback::Scored { reward }
}

#[test]
fn architectures_in_flight_are_parked_and_recorded_when_told() {
    let mut search = search(two_nets(), "1.0:10");
    let (first, second) = (search.ask().unwrap().unwrap(), search.ask().unwrap().unwrap());
    assert_ne!(first.net, second.net);
    assert_eq!(search.ask(), Ok(None), "the other places are taken by repetitions of the two");
    assert!(!search.is_finished());
    assert!(search.rows().is_empty());
    assert_eq!(search.progress().in_flight, 2);
    assert_eq!(search.progress().epsilon, None);
    assert!(search.in_flight().eq([&first, &second]));

    search.tell(second.id, scored(0.5)).unwrap();
    let after_second = search.rows().len();
    assert_eq!(search.rows()[0].origin, Origin::Scored(second.id));
    assert!(search.rows()[1..].iter().all(|row| row.origin == Origin::Repeated(second.id) && row.reward == 0.5));
    search.tell(first.id, scored(0.25)).unwrap();
    assert_eq!(search.rows()[after_second].origin, Origin::Scored(first.id));
    assert_eq!(search.rows().len(), 10);
    assert!(search.is_finished());
    assert_eq!(search.ask(), Ok(None));
}

#[test]
fn places_of_what_does_not_count_are_drawn_again() {
    for outcome in [Feedback::Rejected, scored(0.0), Feedback::OutOfMemory] {
        let mut search = search(two_nets(), "1.0:6");
        let (first, second) = (search.ask().unwrap().unwrap(), search.ask().unwrap().unwrap());
        assert_eq!(search.ask(), Ok(None));
        search.tell(first.id, outcome).unwrap();
        search.tell(second.id, scored(0.5)).unwrap();
        assert_eq!(search.ask(), Ok(None), "the rest of the schedule repeats the second");
        assert!(search.is_finished());
        assert_eq!(search.progress().counted, 6);
        let of_first: Vec<_> = search.rows().iter().filter(|row| row.net == first.net).collect();
        match outcome {
            Feedback::OutOfMemory => assert!(of_first.is_empty()),
            Feedback::Rejected => {
                assert_eq!(of_first[0].origin, Origin::Rejected(RejectedBy::Evaluation(first.id)));
                assert!(of_first[1..].iter().all(|row| row.origin == Origin::Repeated(first.id)));
            }
            Feedback::Scored { .. } => assert_eq!(of_first[0].origin, Origin::Scored(first.id)),
        }
        assert!(of_first.iter().all(|row| row.reward == 0.0));
    }
}

#[test]
fn outcomes_that_do_not_count_are_fruitless_until_one_counts() {
    let mut search = search(preset("small", 8), "1.0:3");
    assert!(search.is_fresh());
    let mut fruitless = Vec::new();
    for outcome in [Feedback::Rejected, scored(0.0), Feedback::OutOfMemory, scored(0.5), scored(0.0)] {
        let candidate = search.ask().unwrap().unwrap();
        assert!(!search.is_fresh());
        search.tell(candidate.id, outcome).unwrap();
        fruitless.push(search.progress().fruitless);
    }
    assert_eq!(fruitless, [1, 2, 3, 0, 1]);
}

#[test]
fn wrong_tells_are_errors_and_change_nothing() {
    let mut search = search(two_nets(), "1.0:3");
    let candidate = search.ask().unwrap().unwrap();
    let unknown = TellError::Unknown { id: CandidateId(1) };
    assert_eq!(search.tell(CandidateId(1), scored(0.5)), Err(unknown.clone()));
    assert_eq!(unknown.to_string(), "candidate 1 was not asked for; tell only candidates that `ask` returned");
    for reward in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
        assert!(matches!(search.tell(candidate.id, scored(reward)), Err(TellError::Reward { .. })));
    }
    assert_eq!(
        TellError::Reward { id: candidate.id, reward: 1.5 }.to_string(),
        "candidate 0: reward 1.5 is out of range; give a fraction from 0 to 1"
    );
    assert!(search.rows().is_empty() && search.in_flight().eq([&candidate]));
    search.tell(candidate.id, scored(1.0)).unwrap();
    let rows = search.rows().to_vec();
    let told = TellError::AlreadyTold { id: candidate.id };
    assert_eq!(search.tell(candidate.id, Feedback::OutOfMemory), Err(told.clone()));
    assert_eq!(told.to_string(), "candidate 0 was told before; tell each candidate once");
    assert_eq!(search.rows(), rows);
}

#[test]
fn what_the_limits_reject_is_recorded_and_not_handed_out() {
    let mut search = search(preset("small", 28), "1.0:30");
    while let Some(candidate) = search.ask().unwrap() {
        let plan = candidate.net.plan(search.space().input()).unwrap();
        assert_eq!(plan.verdict(&search.space().limits()), dpnas_grammar::Verdict::Accepted);
        search.tell(candidate.id, scored(0.5)).unwrap();
    }
    let rejected: Vec<_> =
        search.rows().iter().filter(|row| matches!(row.origin, Origin::Rejected(RejectedBy::Limits(_)))).collect();
    assert!(rejected.len() > 3 && rejected.iter().all(|row| row.reward == 0.0));
    assert_eq!(search.rows().len() - rejected.len(), 30);
}

#[test]
fn nets_too_large_to_count_are_rejected() {
    let settings = SpaceSettings { features: vec![u32::MAX], ..SpaceSettings::paper() };
    let mut search = search(settings.check(ImageShape::square(u32::MAX, 28), 10).unwrap(), "1.0:1");
    assert!(matches!(search.ask(), Err(AskError::Fruitless { .. })));
    assert!(search.rows().iter().any(|row| matches!(row.origin, Origin::Rejected(RejectedBy::Plan(_)))));
}

#[test]
fn a_space_of_rejected_nets_is_fruitless_at_every_epsilon() {
    for schedule in ["1.0:1", "0.0:1"] {
        let settings = SpaceSettings { max_features: 1, ..SpaceSettings::small() };
        let mut search = search(settings.check(ImageShape::square(1, 8), 10).unwrap(), schedule);
        let error = AskError::Fruitless { draws: MAX_FRUITLESS_DRAWS };
        assert_eq!(search.ask(), Err(error.clone()));
        assert_eq!(search.rows().len(), MAX_FRUITLESS_DRAWS as usize);
        assert_eq!(search.ask(), Err(error.clone()), "asking again does no more work");
        assert_eq!(search.rows().len(), MAX_FRUITLESS_DRAWS as usize);
        assert_eq!(
            error.to_string(),
            "none of the last 10000 architectures counted: they were rejected by the space's limits, had reward 0 or did \
             not fit into memory; raise max_final_map, max_features or the memory budget, or choose a space of cheaper \
             layers"
        );
    }
}

#[test]
fn a_greedy_search_leaves_rejected_architectures() {
    // One in a hundred nets is accepted, and the greedy walk has to find it by unlearning the others.
    let settings = SpaceSettings { max_features: 16, ..SpaceSettings::small() };
    let mut search = search(settings.check(ImageShape::square(1, 8), 10).unwrap(), "0.0:40");
    while let Some(candidate) = search.ask().unwrap() {
        search.tell(candidate.id, scored(0.9)).unwrap();
    }
    assert!(search.is_finished());
    assert!(search.rows().iter().any(|row| row.reward == 0.0));
}

#[test]
fn a_greedy_search_leaves_architectures_that_are_out_of_memory() {
    let mut search = search(preset("small", 8), "1.0:20,0.0:5");
    let mut refused = Vec::new();
    while let Some(candidate) = search.ask().unwrap() {
        assert!(!refused.contains(&candidate.net), "a net out of memory is not handed out again");
        // From the greedy phase on, the first 20 new nets do not fit.
        if candidate.epsilon == 0.0 && refused.len() < 20 {
            search.tell(candidate.id, Feedback::OutOfMemory).unwrap();
            refused.push(candidate.net);
        } else {
            search.tell(candidate.id, scored(0.05)).unwrap();
        }
    }
    assert!(search.is_finished());
    assert_eq!(refused.len(), 20, "rewards below the initial value make the greedy walk look for new nets");
    assert!(search.rows().iter().all(|row| !refused.contains(&row.net)));
}

#[test]
fn a_space_that_is_out_of_memory_is_exhausted() {
    let mut search = search(two_nets(), "0.5:4");
    for _ in 0..2 {
        let candidate = search.ask().unwrap().unwrap();
        search.tell(candidate.id, Feedback::OutOfMemory).unwrap();
    }
    assert_eq!(search.ask(), Err(AskError::Exhausted));
    assert!(search.rows().is_empty());
    assert_eq!(
        AskError::Exhausted.to_string(),
        "every architecture of the space is out of memory; raise the memory budget or choose a space of cheaper layers"
    );
}
