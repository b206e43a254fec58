//! The policy, on architectures whose layers are letters.

use super::*;
use proptest::prelude::*;

fn key(text: &str) -> PrefixKey {
    (0, text.bytes().map(|byte| Layer::Residual { features: byte.into() }).collect())
}

fn bytes_of(store: &PrefixStore, key: &PrefixKey) -> u64 {
    store.prefixes.get(key).and_then(|prefix| prefix.rows.as_ref()).map_or(0, |rows| rows.bytes())
}

/// Cuts of the layers of a text, a letter each: `work` and `values` of each one's map. Work is in 12.5 multiply-adds, so
/// that a map of a few numbers is worth its bytes.
fn cuts(text: &str, numbers: &[(u64, usize)]) -> Vec<Cut> {
    let numbers = numbers.iter().enumerate();
    let cut = |(index, &(work, values)): (usize, &(u64, usize))| Cut {
        key: key(&text[..=index]),
        work: work * 25 / 2,
        bytes: 4 * values as u64,
        is_large: false,
    };
    numbers.map(cut).collect()
}

fn rows(cut: &Cut) -> Arc<PrefixRows> {
    Arc::new(PrefixRows::with_room([(cut.bytes / 4) as usize, 0, 0]).unwrap())
}

/// Scores an architecture: gives the stages it starts after and those after which something was kept.
fn score(store: &mut PrefixStore, cuts: &[Cut], room: u64) -> (usize, Vec<usize>) {
    let Choice { from, keep } = store.choose(cuts, room, None);
    for &index in &keep {
        store.keep(&cuts[index], rows(&cuts[index]), room);
    }
    assert!(store.used() <= room);
    (from.map_or(0, |(stages, _)| stages), keep.into_iter().map(|index| cuts[index].stages()).collect())
}

#[test]
fn an_architecture_starts_at_the_longest_prefix_that_is_kept() {
    let mut store = PrefixStore::new(400.0);
    let first = cuts("abc", &[(10_000, 10), (20_000, 10), (30_000, 10)]);
    assert_eq!(score(&mut store, &first, 1000), (0, vec![1, 2, 3]));
    assert_eq!(score(&mut store, &cuts("abd", &[(10_000, 10), (20_000, 10), (40_000, 10)]), 1000), (2, vec![3]));
    assert_eq!(score(&mut store, &cuts("e", &[(10_000, 10)]), 1000), (0, vec![1]));
    assert_eq!(score(&mut store, &first, 1000), (3, vec![]));
    // The same layers under another draw are another prefix.
    let other: Vec<Cut> = first.iter().map(|cut| Cut { key: (1, cut.key.1.clone()), ..cut.clone() }).collect();
    assert_eq!(score(&mut store, &other, 1000).0, 0);
    store.clear();
    assert_eq!((store.used(), score(&mut store, &first, 1000).0), (0, 0));
}

#[test]
fn what_is_large_is_left_once_a_use_was_seen_and_is_a_place_to_start_wherever_it_was_left() {
    let mut store = PrefixStore::new(400.0);
    let cuts = cuts("ab", &[(10_000, 10), (20_000, 10)]);
    let pooled: Vec<Cut> = cuts.iter().map(|cut| Cut { is_large: cut.stages() == 1, ..cut.clone() }).collect();
    assert_eq!(score(&mut store, &pooled, 1000), (0, vec![2]));
    assert_eq!(score(&mut store, &cuts[..1], 1000), (0, vec![1]));
    store.used -= 40;
    store.prefixes.get_mut(&key("ab")).unwrap().rows = None;
    assert_eq!(score(&mut store, &pooled, 1000), (1, vec![2]));
}

#[test]
fn a_map_that_saves_little_a_byte_is_kept_once_it_was_met_often() {
    let mut store = PrefixStore::new(400.0);
    // 40 bytes that save 156 multiply-adds each.
    let cheap = cuts("a", &[(500, 10)]);
    let kept: Vec<usize> = (0..4).map(|_| score(&mut store, &cheap, 1000).1.len()).collect();
    assert_eq!(kept, [0, 0, 1, 0]);
    // What a longer prefix saves counts beyond the shorter one alone.
    let mut store = PrefixStore::new(400.0);
    let longer = cuts("ab", &[(100_000, 10), (100_400, 10)]);
    assert_eq!(score(&mut store, &longer[..1], 1000), (0, vec![1]));
    assert_eq!(score(&mut store, &longer, 1000), (1, vec![]));
}

#[test]
fn what_saves_most_a_byte_and_is_met_most_stays() {
    let mut store = PrefixStore::new(400.0);
    let [dense, thin, large] =
        [("a", (40_000, 10)), ("b", (10_000, 10)), ("c", (40_000, 21))].map(|(text, it)| cuts(text, &[it]));
    assert_eq!(score(&mut store, &thin, 80), (0, vec![1]));
    assert_eq!(score(&mut store, &dense, 80), (0, vec![1]));
    assert_eq!(score(&mut store, &large, 80), (0, vec![]), "larger than all there is");
    // Both are kept and there is no room for a third: the thin one goes.
    let third = cuts("d", &[(20_000, 10)]);
    assert_eq!(score(&mut store, &third, 80), (0, vec![1]));
    assert_eq!((score(&mut store, &dense, 80).0, score(&mut store, &third, 80).0), (1, 1));
    // Met often enough, the thin one is worth more than the third.
    let kept: Vec<usize> = (0..12).map(|_| score(&mut store, &thin, 80).0).collect();
    assert!(kept[0] == 0 && kept[11] == 1, "{kept:?}");
    assert_eq!(score(&mut store, &dense, 80).0, 1);
}

#[test]
fn what_was_worth_much_once_goes_in_the_end() {
    let mut store = PrefixStore::new(400.0);
    // 25,000 a byte, met three times.
    (0..3).for_each(|_| drop(score(&mut store, &cuts("a", &[(80_000, 10)]), 40)));
    let stays: Vec<bool> = ('A'..='H')
        .map(|letter| {
            score(&mut store, &cuts(&letter.to_string(), &[(60_000, 10)]), 40);
            bytes_of(&store, &key("a")) > 0
        })
        .collect();
    // Others at 18,750, each met once, pass it by until they would have been worth as much together.
    assert_eq!(stays, [true, true, true, false, false, false, false, false]);
}

#[test]
fn what_is_foreseen_decides_and_not_what_was_met() {
    let [often, never] = ["a", "b"].map(|text| cuts(text, &[(20_000, 10)]));
    let mut store = PrefixStore::new(400.0);
    (0..9).for_each(|_| drop(score(&mut store, &often, 40)));
    let share = |layers: &[Layer]| if layers == key("b").1 { 0.5 } else { 0.0 };
    let Choice { from, keep } = store.choose(&never, 40, Some(&share));
    assert!(from.is_none() && keep == [0] && store.used() == 0, "{keep:?}");
    // What goes on with a longer one that is kept is no use of the shorter one.
    let chain = cuts("bc", &[(20_000, 10), (40_000, 10)]);
    let uses = |layers: &[Layer]| if layers.len() == 2 { 0.4 } else { 0.5 };
    let entry = |cut: &Cut| Entry {
        key: cut.key.clone(),
        work: cut.work,
        bytes: cut.bytes,
        uses: uses(&cut.key.1),
        unforeseen: 0.0,
        age: 0.0,
        cut: None,
    };
    let worths = worths(&chain.iter().map(entry).collect::<Vec<_>>());
    assert!((worths[0] - 0.1 * 6250.0).abs() < 1e-6 && (worths[1] - 0.4 * 6250.0).abs() < 1e-6, "{worths:?}");
}

#[test]
fn a_store_gives_way_worth_least_first_and_what_is_in_use_is_not_evicted() {
    let mut store = PrefixStore::new(400.0);
    for (text, work) in [("a", 30_000), ("b", 10_000), ("c", 20_000)] {
        score(&mut store, &cuts(text, &[(work, 10)]), 1000);
    }
    store.shrink_to(85, None);
    assert_eq!(store.used(), 80);
    let kept = |store: &PrefixStore| ["a", "b", "c"].map(|text| bytes_of(store, &key(text)) > 0);
    assert_eq!(kept(&store), [true, false, true]);
    store.shrink_to(79, None);
    assert_eq!(kept(&store), [true, false, false]);
    // The prefix that it starts from is not exchanged for a better one on the way.
    let longer = cuts("ab", &[(30_000, 10), (3_000_000, 10)]);
    assert_eq!(score(&mut store, &longer, 40), (1, vec![]));
    assert_eq!(score(&mut store, &longer, 80), (1, vec![2]));
}

proptest! {
    #[test]
    fn no_more_is_kept_than_there_is_room_for(
        nets in prop::collection::vec(prop::collection::vec((0u8..3, 1usize..30), 1..6), 1..40),
        room in 0u64..400,
    ) {
        let mut store = PrefixStore::new(400.0);
        for net in nets {
            let text: String = net.iter().map(|(layer, _)| char::from(b'a' + layer)).collect();
            // Work and size follow from the layers, as those of a prefix do.
            let numbers: Vec<(u64, usize)> = (1..=text.len())
                .map(|end| text[..end].bytes().fold((0, 0), |(work, _), byte| {
                    let layer = usize::from(byte - b'a');
                    (work + 3000 * (layer as u64 + 1), 7 * (layer + 1))
                }))
                .collect();
            let cuts = cuts(&text, &numbers);
            let (start, kept) = score(&mut store, &cuts, room);
            prop_assert!(kept.iter().all(|&stages| stages > start));
            let all: u64 = store.prefixes.keys().map(|key| bytes_of(&store, key)).sum();
            prop_assert_eq!(all, store.used());
        }
    }
}
