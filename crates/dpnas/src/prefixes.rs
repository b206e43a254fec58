//! Maps at the end of prefixes, kept within a byte budget for the architectures that begin alike.
//!
//! Under one weight seed an architecture's first layers give the same maps as those of any other that begins with them.
//! What is kept is chosen by the multiply-adds that it saves for each byte, times how often the prefix was met: the policy
//! GreedyDual-Size-Frequency (Cherkasova 1998). An age that grows with every eviction and every refusal lets go of what
//! was worth much once.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Multiply-adds that a byte must save to be kept, times how often its prefix was met: writing and reading a byte takes
/// about as long as that many.
const LEAST_WORTH: f64 = 32.0;
/// Prefixes that are counted; beyond it, those that were met once are forgotten.
const MOST_COUNTED: usize = 100_000;

/// Maps of all images at the end of a prefix, row-major `[n, channels · height · width]` for each split.
#[derive(Debug, Default)]
pub(crate) struct PrefixRows {
    /// Training, validation and test images.
    pub(crate) splits: [Vec<f32>; 3],
}

impl PrefixRows {
    /// Room for these numbers of values; `None` if the memory cannot be had.
    pub(crate) fn with_room(values: [usize; 3]) -> Option<Self> {
        let mut rows = Self::default();
        for (split, values) in rows.splits.iter_mut().zip(values) {
            split.try_reserve_exact(values).ok()?;
        }
        Some(rows)
    }

    fn bytes(&self) -> u64 {
        self.splits.iter().map(|split| 4 * split.len() as u64).sum()
    }
}

/// A place where an architecture may be cut.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// Stages before it.
    pub(crate) stages: usize,
    /// What names the prefix: its layers after each other, and the draw of its weights before them. A prefix of a prefix
    /// has the same key up to a space.
    pub(crate) key: String,
    /// Multiply-adds of the prefix for all images.
    pub(crate) work: u64,
    /// Bytes of its maps for all images.
    pub(crate) bytes: u64,
    /// Whether its maps may be left: not where pooling makes them smaller at once.
    pub(crate) may_keep: bool,
}

/// What is done for an architecture: where it starts, and which of its cuts are kept on the way.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// The longest prefix that is kept: its stages and rows.
    pub(crate) from: Option<(usize, Arc<PrefixRows>)>,
    /// Indices of the cuts to keep, in the order of the stages. There is room for them.
    pub(crate) keep: Vec<usize>,
}

/// The prefixes that were met, and the maps that are kept.
#[derive(Debug, Default)]
pub(crate) struct PrefixStore {
    used: u64,
    /// The highest priority of what was evicted or refused.
    age: f64,
    prefixes: BTreeMap<String, Prefix>,
}

#[derive(Debug, Default)]
struct Prefix {
    /// Architectures that began with it.
    met: u32,
    /// Multiply-adds for all images.
    work: u64,
    /// The age when it was met last.
    age: f64,
    rows: Option<Arc<PrefixRows>>,
}

impl PrefixStore {
    /// Bytes that are kept.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.prefixes.values_mut().for_each(|prefix| prefix.rows = None);
        self.used = 0;
    }

    /// Lets go of what is worth least until no more than `room` bytes are kept.
    pub(crate) fn shrink_to(&mut self, room: u64) {
        if self.used > room {
            let mut victims = self.victims(None);
            victims.reverse();
            while let Some((_, key)) = victims.pop().filter(|_| self.used > room) {
                self.evict(&key);
            }
        }
    }

    /// Counts an architecture with these cuts, shortest first, finds where it can start, and makes room in `room` bytes for
    /// the cuts that are worth more than what has to go.
    pub(crate) fn choose(&mut self, cuts: &[Cut], room: u64) -> Choice {
        self.count(cuts);
        let kept = |cut: &Cut| Some((cut.stages, self.prefixes.get(&cut.key)?.rows.clone()?));
        let from = cuts.iter().rev().find_map(kept);
        let start = from.as_ref().map_or(0, |(stages, _)| *stages);
        let pinned = cuts.iter().find(|cut| cut.stages == start).map(|cut| cut.key.clone());

        let mut order: Vec<usize> =
            (0..cuts.len()).filter(|&index| cuts[index].stages > start && cuts[index].may_keep).collect();
        let density = |index: &usize| cuts[*index].work as f64 / cuts[*index].bytes.max(1) as f64;
        order.sort_by(|a, b| density(b).total_cmp(&density(a)));
        let (mut keep, mut reserved, age): (Vec<usize>, u64, f64) = (Vec::new(), 0, self.age);
        for index in order {
            let cut = &cuts[index];
            let shorter = cuts[..index].iter().enumerate();
            let shorter = shorter.filter(|(index, cut)| cut.stages == start || keep.contains(index));
            let before = shorter.map(|(_, cut)| cut.work).max().unwrap_or(0);
            let worth = self.worth(&cut.key, cut.work - before.min(cut.work), cut.bytes);
            let wanted = reserved.saturating_add(cut.bytes);
            if worth >= LEAST_WORTH && self.make_room(wanted, room, age + worth, pinned.as_deref()) {
                reserved = wanted;
                keep.push(index);
            }
        }
        keep.sort_unstable();
        Choice { from, keep }
    }

    /// Keeps the maps at a cut, if they are not too much after all.
    pub(crate) fn keep(&mut self, cut: &Cut, rows: Arc<PrefixRows>, room: u64) {
        let bytes = rows.bytes();
        if self.used.saturating_add(bytes) > room {
            return;
        }
        let prefix = self.prefixes.entry(cut.key.clone()).or_default();
        (prefix.work, prefix.age) = (cut.work, self.age);
        let before = prefix.rows.replace(rows).map_or(0, |rows| rows.bytes());
        self.used = self.used + bytes - before;
    }

    fn count(&mut self, cuts: &[Cut]) {
        if self.prefixes.len() > MOST_COUNTED {
            self.prefixes.retain(|_, prefix| prefix.met > 1 || prefix.rows.is_some());
        }
        for cut in cuts {
            let prefix = self.prefixes.entry(cut.key.clone()).or_default();
            prefix.met = prefix.met.saturating_add(1);
            (prefix.work, prefix.age) = (cut.work, self.age);
        }
    }

    /// Multiply-adds that a byte saves, times how often the prefix was met.
    fn worth(&self, key: &str, saved: u64, bytes: u64) -> f64 {
        let met = self.prefixes.get(key).map_or(1, |prefix| prefix.met.max(1));
        f64::from(met) * saved as f64 / bytes.max(1) as f64
    }

    /// Evicts what has a lower priority until `wanted` bytes more fit into `room`. If that is not enough, nothing goes, and
    /// what was to come ages the rest as if it had come and gone.
    fn make_room(&mut self, wanted: u64, room: u64, priority: f64, pinned: Option<&str>) -> bool {
        let over = self.used.saturating_add(wanted).saturating_sub(room);
        if over == 0 {
            return true;
        }
        let (mut freed, mut going) = (0, Vec::new());
        for (value, key) in self.victims(pinned) {
            if freed >= over || value >= priority {
                break;
            }
            freed += self.bytes_of(&key);
            going.push(key);
        }
        if freed < over {
            if wanted <= room {
                self.age = self.age.max(priority);
            }
            return false;
        }
        going.iter().for_each(|key| self.evict(key));
        true
    }

    /// What is kept, the lowest priority first.
    fn victims(&self, pinned: Option<&str>) -> Vec<(f64, String)> {
        let kept = self.prefixes.iter().filter(|(key, prefix)| prefix.rows.is_some() && Some(key.as_str()) != pinned);
        let mut victims: Vec<(f64, String)> = kept.map(|(key, _)| (self.priority(key), key.clone())).collect();
        victims.sort_by(|a, b| a.0.total_cmp(&b.0));
        victims
    }

    /// The age when a prefix was met last, and what it is worth beside the shorter ones that are kept.
    fn priority(&self, key: &str) -> f64 {
        let Some(prefix) = self.prefixes.get(key) else { return self.age };
        let shorter = key.match_indices(' ').filter_map(|(end, _)| self.prefixes.get(&key[..end]));
        let before = shorter.filter(|prefix| prefix.rows.is_some()).map(|prefix| prefix.work).max().unwrap_or(0);
        prefix.age + self.worth(key, prefix.work - before.min(prefix.work), self.bytes_of(key))
    }

    fn evict(&mut self, key: &str) {
        let priority = self.priority(key);
        self.used -= self.bytes_of(key);
        if let Some(prefix) = self.prefixes.get_mut(key) {
            prefix.rows = None;
        }
        self.age = self.age.max(priority);
    }

    fn bytes_of(&self, key: &str) -> u64 {
        self.prefixes.get(key).and_then(|prefix| prefix.rows.as_ref()).map_or(0, |rows| rows.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cuts of the layers of a text, a letter each: `work` and `values` of each one's map.
    fn cuts(text: &str, numbers: &[(u64, usize)]) -> Vec<Cut> {
        let key = |end: usize| text[..end].chars().map(String::from).collect::<Vec<_>>().join(" ");
        let numbers = numbers.iter().enumerate();
        numbers
            .map(|(index, &(work, values))| Cut {
                stages: index + 1,
                key: format!("0 {}", key(index + 1)),
                work,
                bytes: 4 * values as u64,
                may_keep: true,
            })
            .collect()
    }

    fn rows(cut: &Cut) -> Arc<PrefixRows> {
        Arc::new(PrefixRows { splits: [vec![0.0; (cut.bytes / 4) as usize], vec![], vec![]] })
    }

    /// Scores an architecture: gives the stages it starts after and those after which something was kept.
    fn score(store: &mut PrefixStore, cuts: &[Cut], room: u64) -> (usize, Vec<usize>) {
        let Choice { from, keep } = store.choose(cuts, room);
        for &index in &keep {
            store.keep(&cuts[index], rows(&cuts[index]), room);
        }
        assert!(store.used() <= room);
        (from.map_or(0, |(stages, _)| stages), keep.into_iter().map(|index| cuts[index].stages).collect())
    }

    #[test]
    fn an_architecture_starts_at_the_longest_prefix_that_is_kept() {
        let mut store = PrefixStore::default();
        let first = cuts("abc", &[(10_000, 10), (20_000, 10), (30_000, 10)]);
        assert_eq!(score(&mut store, &first, 1000), (0, vec![1, 2, 3]));
        assert_eq!(score(&mut store, &cuts("abd", &[(10_000, 10), (20_000, 10), (40_000, 10)]), 1000), (2, vec![3]));
        assert_eq!(score(&mut store, &cuts("e", &[(10_000, 10)]), 1000), (0, vec![1]));
        assert_eq!(score(&mut store, &first, 1000), (3, vec![]));
        // The same layers under another draw are another prefix.
        let other: Vec<Cut> =
            first.iter().map(|cut| Cut { key: cut.key.replacen('0', "1", 1), ..cut.clone() }).collect();
        assert_eq!(score(&mut store, &other, 1000).0, 0);
        store.clear();
        assert_eq!((store.used(), score(&mut store, &first, 1000).0), (0, 0));
    }

    #[test]
    fn what_may_not_be_kept_is_a_place_to_start_where_another_left_it() {
        let mut store = PrefixStore::default();
        let cuts = cuts("ab", &[(10_000, 10), (20_000, 10)]);
        let pooled: Vec<Cut> = cuts.iter().map(|cut| Cut { may_keep: cut.stages > 1, ..cut.clone() }).collect();
        assert_eq!(score(&mut store, &pooled, 1000), (0, vec![2]));
        assert_eq!(score(&mut store, &cuts[..1], 1000), (0, vec![1]));
        store.evict(&cuts[1].key);
        assert_eq!(score(&mut store, &pooled, 1000), (1, vec![2]));
    }

    #[test]
    fn a_map_that_saves_little_a_byte_is_kept_once_it_was_met_often() {
        let mut store = PrefixStore::default();
        // 40 bytes that save 12.5 multiply-adds each.
        let cheap = cuts("a", &[(500, 10)]);
        let kept: Vec<usize> = (0..4).map(|_| score(&mut store, &cheap, 1000).1.len()).collect();
        assert_eq!(kept, [0, 0, 1, 0]);
        // What a longer prefix saves counts beyond the shorter one alone.
        let mut store = PrefixStore::default();
        let longer = cuts("ab", &[(100_000, 10), (101_000, 10)]);
        assert_eq!(score(&mut store, &longer[..1], 1000), (0, vec![1]));
        assert_eq!(score(&mut store, &longer, 1000), (1, vec![]));
    }

    #[test]
    fn what_saves_most_a_byte_and_is_met_most_stays() {
        let mut store = PrefixStore::default();
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
        let mut store = PrefixStore::default();
        // 2,000 a byte, met three times.
        (0..3).for_each(|_| drop(score(&mut store, &cuts("a", &[(80_000, 10)]), 40)));
        let stays: Vec<bool> = ('A'..='H')
            .map(|letter| {
                score(&mut store, &cuts(&letter.to_string(), &[(60_000, 10)]), 40);
                store.bytes_of("0 a") > 0
            })
            .collect();
        // Others at 1,500, each met once, pass it by until they would have been worth as much together.
        assert_eq!(stays, [true, true, true, true, false, false, false, false]);
    }

    #[test]
    fn a_store_gives_way_worth_least_first_and_what_is_in_use_is_not_evicted() {
        let mut store = PrefixStore::default();
        for (text, work) in [("a", 30_000), ("b", 10_000), ("c", 20_000)] {
            score(&mut store, &cuts(text, &[(work, 10)]), 1000);
        }
        store.shrink_to(85);
        assert_eq!(store.used(), 80);
        let kept = |store: &PrefixStore, key: &str| store.bytes_of(key) > 0;
        assert_eq!(["0 a", "0 b", "0 c"].map(|key| kept(&store, key)), [true, false, true]);
        store.shrink_to(79);
        assert_eq!(["0 a", "0 b", "0 c"].map(|key| kept(&store, key)), [true, false, false]);
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
            let mut store = PrefixStore::default();
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
                let all: u64 = store.prefixes.keys().map(|key| store.bytes_of(key)).sum();
                prop_assert_eq!(all, store.used());
            }
        }
    }
}
