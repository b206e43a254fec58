//! Maps at the end of prefixes, kept within a byte budget for the architectures that begin alike.
//!
//! Under one weight seed an architecture's first layers give the same maps as those of any other that begins with them.
//! What is kept is chosen by the multiply-adds that it saves for each byte, times how often it will be used. A search
//! foresees that ([`Forecast`](dpnas_search::Forecast)). Without one it is how often the prefix was met, with an age that
//! grows with every eviction and every refusal and so lets go of what was worth much once, as in the policy
//! GreedyDual-Size-Frequency (Cherkasova 1998).

mod maps;
mod worth;

use crate::store::SplitName;
use dpnas_grammar::Layer;
use dpnas_prior::LeftMaps;
pub(crate) use maps::Maps;
use std::collections::BTreeMap;
use std::sync::Arc;
use worth::{Entry, worths};

/// Architectures for which a forecast holds.
const FORESEEN: f64 = 16.0;
/// Uses that nobody foresees: of new maps, because what is good becomes what a search goes on with, and of kept ones.
const UNFORESEEN: (f64, f64) = (0.3, 0.3);
/// Prefixes that are counted; beyond it, those that were met once are forgotten.
const MOST_COUNTED: usize = 100_000;

/// How likely the next architecture begins with these layers.
pub(crate) type Foresee<'a> = dyn Fn(&[Layer]) -> f64 + 'a;

/// Names a prefix: the seed of its weights, and its layers.
pub(crate) type PrefixKey = (u64, Vec<Layer>);

/// Maps of all images at the end of a prefix, row-major `[n, channels · height · width]` for each split.
#[derive(Debug, Default)]
pub(crate) struct PrefixRows {
    /// Training, validation and test images.
    pub(crate) splits: [Maps; 3],
}

impl PrefixRows {
    /// Room for these numbers of values; `None` if the memory cannot be had.
    pub(crate) fn with_room([train, valid, test]: [usize; 3]) -> Option<Self> {
        Some(Self { splits: [Maps::zeros(train)?, Maps::zeros(valid)?, Maps::zeros(test)?] })
    }

    /// Where an encoder leaves the maps of a split after so many stages.
    pub(crate) fn left(&mut self, stages: usize, split: SplitName) -> LeftMaps<'_> {
        LeftMaps { stages, maps: self.splits[split as usize].as_mut_slice() }
    }

    fn bytes(&self) -> u64 {
        self.splits.iter().map(Maps::bytes).sum()
    }
}

/// A place where an architecture may be cut.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// What is before it.
    pub(crate) key: PrefixKey,
    /// Multiply-adds of the prefix for all images.
    pub(crate) work: u64,
    /// Bytes of its maps for all images.
    pub(crate) bytes: u64,
    /// Whether pooling makes the maps smaller at once: then they are left only if a use is foreseen or was seen.
    pub(crate) is_large: bool,
}

impl Cut {
    /// Stages before it.
    pub(crate) fn stages(&self) -> usize {
        self.key.1.len()
    }
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
#[derive(Debug)]
pub(crate) struct PrefixStore {
    /// Multiply-adds that a byte of a new map must be expected to save.
    least_worth: f64,
    used: u64,
    /// The highest priority of what was evicted or refused.
    age: f64,
    prefixes: BTreeMap<PrefixKey, Prefix>,
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
    /// Nothing yet. What is kept must be expected to save `least_worth` multiply-adds a byte.
    pub(crate) fn new(least_worth: f64) -> Self {
        Self { least_worth, used: 0, age: 0.0, prefixes: BTreeMap::new() }
    }

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
    pub(crate) fn shrink_to(&mut self, room: u64, foresee: Option<&Foresee<'_>>) {
        if self.used > room {
            self.fit(self.kept(foresee), room, None);
        }
    }

    /// Counts an architecture with these cuts, shortest first, finds where it can start, and makes room in `room` bytes for
    /// the cuts that are worth more than what has to go.
    pub(crate) fn choose(&mut self, cuts: &[Cut], room: u64, foresee: Option<&Foresee<'_>>) -> Choice {
        self.count(cuts);
        let rows = |cut: &Cut| Some((cut.stages(), self.prefixes.get(&cut.key)?.rows.clone()?));
        let from = cuts.iter().rev().find_map(rows);
        let start = from.as_ref().map_or(0, |(stages, _)| *stages);
        let new = cuts.iter().enumerate().filter(|(_, cut)| cut.stages() > start);
        let new = new.map(|(index, cut)| Entry {
            key: cut.key.clone(),
            work: cut.work,
            bytes: cut.bytes,
            uses: self.uses(&cut.key, foresee),
            age: if foresee.is_some() { 0.0 } else { self.age },
            unforeseen: if cut.is_large { 0.0 } else { UNFORESEEN.0 },
            cut: Some(index),
        });
        let entries = self.kept(foresee).into_iter().chain(new).collect();
        let pinned = cuts.iter().find(|cut| cut.stages() == start).map(|cut| &cut.key);
        Choice { from, keep: self.fit(entries, room, pinned) }
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

    /// How often architectures will begin with a prefix.
    fn uses(&self, key: &PrefixKey, foresee: Option<&Foresee<'_>>) -> f64 {
        match foresee {
            Some(foresee) => FORESEEN * foresee(&key.1),
            None => self.prefixes.get(key).map_or(0.0, |prefix| f64::from(prefix.met)),
        }
    }

    fn kept(&self, foresee: Option<&Foresee<'_>>) -> Vec<Entry> {
        let entry = |(key, prefix): (&PrefixKey, &Prefix)| {
            Some(Entry {
                key: key.clone(),
                work: prefix.work,
                bytes: prefix.rows.as_ref()?.bytes(),
                uses: self.uses(key, foresee),
                age: if foresee.is_some() { 0.0 } else { prefix.age },
                unforeseen: UNFORESEEN.1,
                cut: None,
            })
        };
        self.prefixes.iter().filter_map(entry).collect()
    }

    /// Leaves out what is worth least, one after the other, until the rest fits into `room` bytes and new ones are worth
    /// their bytes; evicts what was kept of it, and gives the cuts that stay.
    fn fit(&mut self, mut entries: Vec<Entry>, room: u64, pinned: Option<&PrefixKey>) -> Vec<usize> {
        let is_pinned = |entry: &Entry| Some(&entry.key) == pinned;
        let taken: u64 = entries.iter().filter(|entry| is_pinned(entry)).map(|entry| entry.bytes).sum();
        entries.retain(|entry| is_pinned(entry) || entry.bytes <= room.saturating_sub(taken));
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        let mut left_out: Vec<Entry> = Vec::new();
        let mut bytes = entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.bytes));
        loop {
            let (fits, worths) = (bytes <= room, worths(&entries));
            let may_go = |index: &usize| {
                let entry = &entries[*index];
                !is_pinned(entry) && (!fits || (entry.cut.is_some() && worths[*index] < self.least_worth))
            };
            let priority = |index: &usize| entries[*index].age + worths[*index];
            let least = (0..entries.len()).filter(may_go).min_by(|a, b| priority(a).total_cmp(&priority(b)));
            let Some(least) = least else { break };
            let priority = priority(&least);
            let entry = entries.remove(least);
            bytes = entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.bytes));
            if !fits {
                self.age = self.age.max(priority);
            }
            left_out.push(entry);
        }
        // What went for the sake of something larger that went, too, may stay.
        for entry in left_out.into_iter().rev().filter(|entry| entry.cut.is_none()) {
            if bytes.saturating_add(entry.bytes) <= room {
                bytes += entry.bytes;
            } else if let Some(prefix) = self.prefixes.get_mut(&entry.key) {
                prefix.rows = None;
                self.used -= entry.bytes;
            }
        }
        let mut keep: Vec<usize> = entries.iter().filter_map(|entry| entry.cut).collect();
        keep.sort_unstable();
        keep
    }
}

#[cfg(test)]
mod tests;
