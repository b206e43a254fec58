//! Searches with a strategy.

use crate::strategies::{spaces, two_nets};
use dpnas_search::{
    Evolution, Feedback, Layer, Net, Predictor, Search, SearchSettings, Seed, Space, SpaceSettings, TellError,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

fn search(space: &Space, schedule: &str, seed: u64) -> Search {
    search_by(Arc::new(Evolution::default()), space, schedule, seed)
}

fn search_by(strategy: Arc<dyn dpnas_search::Strategy>, space: &Space, schedule: &str, seed: u64) -> Search {
    let settings = SearchSettings { schedule: schedule.parse().unwrap(), ..SearchSettings::paper() };
    Search::with_strategy(space.clone(), settings, strategy, Seed(seed)).unwrap()
}

/// Many wide layers with small kernels are good.
fn reward(net: &Net) -> f64 {
    let of_layer = |layer: &Layer| match *layer {
        Layer::Conv { features, kernel, .. } => f64::from(features) / f64::from(kernel),
        _ => 0.0,
    };
    (net.layers().iter().map(of_layer).sum::<f64>() / 1e3).clamp(1e-3, 1.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_architecture_is_drawn_twice_and_any_order_of_asks_and_tells_is_repeated(
        space in spaces(),
        seed: u64,
        moves in prop::collection::vec((any::<bool>(), 0usize..4, 0u32..15), 0..80),
    ) {
        let run = |search: &mut Search| {
            let (mut asked, mut flying, mut nets) = (Vec::new(), Vec::new(), BTreeSet::new());
            let mut stopped = 0;
            for &(ask, place, luck) in &moves {
                if ask || flying.is_empty() {
                    let Ok(Some(candidate)) = search.ask() else { break };
                    assert!(nets.insert(candidate.net.to_string()), "{} again", candidate.net);
                    let plan = candidate.net.plan(space.input()).unwrap();
                    assert_eq!(plan.verdict(&space.limits()), dpnas_grammar::Verdict::Accepted);
                    assert!(space.follow(candidate.net.layers()).unwrap().terminal);
                    asked.push(candidate.clone());
                    flying.push(candidate);
                } else {
                    let place = place % flying.len();
                    if luck >= 10 {
                        if !search.tell_rung(flying[place].id, f64::from(luck) / 20.0).unwrap() {
                            flying.remove(place);
                            stopped += 1;
                        }
                        continue;
                    }
                    let candidate = flying.remove(place);
                    let feedback = match luck {
                        0 => Feedback::OutOfMemory,
                        1 => Feedback::Rejected,
                        _ => Feedback::Scored { reward: f64::from(luck) / 10.0 },
                    };
                    search.tell(candidate.id, feedback).unwrap();
                }
            }
            let progress = search.progress();
            let scored = search.rows().iter().filter(|row| row.reward > 0.0).count();
            assert_eq!(progress.counted, scored as u64 + stopped);
            assert!(progress.counted + progress.in_flight <= progress.total);
            asked
        };
        let (mut first, mut again) = (search(&space, "1.0:8,0.0:30", seed), search(&space, "1.0:8,0.0:30", seed));
        prop_assert_eq!(run(&mut first), run(&mut again));
        prop_assert_eq!(first.rows(), again.rows());
    }
}

#[test]
fn the_best_quarter_of_a_rung_goes_on_and_what_was_stopped_is_told() {
    let space = SpaceSettings::small().check(dpnas_search::ImageShape::square(1, 28), 10).unwrap();
    let mut search = search(&space, "1.0:20", 0);
    let mut told = |scores: &[f64]| {
        let candidate = search.ask().unwrap().unwrap();
        let goes_on = scores.iter().all(|score| search.tell_rung(candidate.id, *score).unwrap());
        (candidate.id, goes_on)
    };
    // Of one to four scores the best goes on, of five to eight the best two. The first score of a second rung is its best.
    let goes_on = [0.5, 0.6, 0.4, 0.55, 0.58, 0.1, 0.59].map(|score| told(&[score, 0.2]).1);
    assert_eq!(goes_on, [true, true, false, false, true, false, true]);
    let (stopped, goes_on) = told(&[0.9, 0.1]);
    assert!(!goes_on, "four of five scores of the second rung are better");
    assert_eq!(search.tell(stopped, Feedback::Rejected), Err(TellError::AlreadyTold { id: stopped }));
    assert!(matches!(search.tell_rung(stopped, 0.5), Err(TellError::AlreadyTold { .. })));
    let progress = search.progress();
    assert_eq!((progress.counted, progress.in_flight), (4, 4));
    assert!(search.rows().iter().all(|row| row.reward == 0.0), "a score is no reward");

    let id = search.in_flight().next().unwrap().id;
    assert!(matches!(search.tell_rung(id, f64::NAN), Err(TellError::Reward { .. })));
    let settings = SearchSettings { schedule: "1.0:5".parse().unwrap(), ..SearchSettings::paper() };
    let mut learner = Search::new(space, settings, Seed(0)).unwrap();
    let id = learner.ask().unwrap().unwrap().id;
    let message = learner.tell_rung(id, 0.5).unwrap_err().to_string();
    assert!(message.contains("Q-learning has no rungs"), "{message}");
}

#[test]
fn a_family_goes_back_to_chance() {
    let space = SpaceSettings::small().check(dpnas_search::ImageShape::square(1, 28), 10).unwrap();
    let mut search = search(&space, "1.0:10,0.0:60", 2);
    while let Some(candidate) = search.ask().unwrap() {
        search.tell(candidate.id, Feedback::Scored { reward: reward(&candidate.net) }).unwrap();
    }
    let order = |net: &Net| search.rows().iter().position(|row| *row.net == *net).unwrap();
    let best = search.rows().iter().max_by(|a, b| a.reward.total_cmp(&b.reward)).unwrap();
    let family = search.family(&best.net);
    assert_eq!((&family[0].net, family[0].value), (&best.net, best.reward));
    assert!(family.len() > 5);
    for (place, member) in family.iter().enumerate() {
        let row = &search.rows()[order(&member.net)];
        assert_eq!(member.value, row.reward);
        assert_eq!(member.parents.is_empty(), row.epsilon == 1.0, "{member:?}");
        assert!(member.parents.iter().all(|parent| *parent > place && *parent < family.len()));
    }
    let ages: Vec<usize> = family.iter().map(|member| order(&member.net)).collect();
    assert!(ages.is_sorted_by(|a, b| a > b), "{ages:?}");
    let children = (1..family.len()).all(|place| family.iter().any(|member| member.parents.contains(&place)));
    assert!(children, "everyone has a child in the family");
    assert!(search.family(&"[SM(10)]".parse().unwrap()).is_empty());
}

#[test]
fn evolution_finds_more_than_chance_with_as_many_architectures() {
    let space = SpaceSettings::small().check(dpnas_search::ImageShape::square(1, 28), 10).unwrap();
    let best = |strategy: Arc<dyn dpnas_search::Strategy>, schedule: &str, seed| {
        let mut search = search_by(strategy, &space, schedule, seed);
        let mut best = 0.0f64;
        while let Some(candidate) = search.ask().unwrap() {
            let reward = reward(&candidate.net);
            best = best.max(reward);
            search.tell(candidate.id, Feedback::Scored { reward }).unwrap();
        }
        let scored = search.rows().iter().filter(|row| row.reward > 0.0).count();
        assert!(search.is_finished() && scored == 100, "{scored}");
        best
    };
    let (evolution, predictor) = (Arc::new(Evolution::default()), Arc::new(Predictor::default()));
    let mut sums = [0.0; 3];
    for seed in 0..6 {
        let chance = best(evolution.clone(), "1.0:100", seed);
        let evolved = best(evolution.clone(), "1.0:30,0.0:70", seed);
        let predicted = best(predictor.clone(), "1.0:30,0.0:70", seed);
        sums.iter_mut().zip([chance, evolved, predicted]).for_each(|(sum, best)| *sum += best);
    }
    let [chance, evolved, predicted] = sums;
    assert!(evolved > 1.1 * chance && predicted > 1.1 * evolved, "{sums:?}");
}

#[test]
fn a_space_that_is_used_up_ends_the_search() {
    let mut search = search(&two_nets(), "1.0:1,0.0:9", 0);
    let mut nets = 0;
    let end = loop {
        match search.ask() {
            Ok(Some(candidate)) => {
                nets += 1;
                search.tell(candidate.id, Feedback::Scored { reward: 0.5 }).unwrap();
            }
            end => break end,
        }
    };
    assert!(end.is_err() && nets == 2, "{end:?} after {nets}");
    assert!(search.q_table().entries().all(|entry| entry.value == 0.15), "no Q-values are learnt");
}
