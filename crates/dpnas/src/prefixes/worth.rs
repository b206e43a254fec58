//! What kept maps are worth, each beside the others.

use super::PrefixKey;

/// What is kept or may be.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: PrefixKey,
    pub(super) work: u64,
    pub(super) bytes: u64,
    /// How often architectures will begin with it, those that begin with a longer one included.
    pub(super) uses: f64,
    /// Uses beside these.
    pub(super) unforeseen: f64,
    /// What its worth is added to.
    pub(super) age: f64,
    /// The index of the cut, unless it is kept already.
    pub(super) cut: Option<usize>,
}

/// Multiply-adds that a byte of each entry saves: beside the longest shorter prefix, by the architectures that begin with
/// it and with no longer one. Entries are in the order of their keys, so that each is followed by the longer ones.
pub(super) fn worths(entries: &[Entry]) -> Vec<f64> {
    let begins =
        |a: usize, b: usize| entries[a].key.0 == entries[b].key.0 && entries[b].key.1.starts_with(&entries[a].key.1);
    let mut uses: Vec<f64> = entries.iter().map(|entry| entry.uses).collect();
    let mut before = vec![0; entries.len()];
    let mut open: Vec<usize> = Vec::new();
    for index in 0..entries.len() {
        while open.last().is_some_and(|&last| !begins(last, index)) {
            open.pop();
        }
        if let Some(&last) = open.last() {
            before[index] = entries[last].work;
            uses[last] -= entries[index].uses;
        }
        open.push(index);
    }
    let worth = |(index, entry): (usize, &Entry)| {
        let saved = entry.work.saturating_sub(before[index]) as f64 / entry.bytes.max(1) as f64;
        (uses[index].max(0.0) + entry.unforeseen) * saved
    };
    entries.iter().enumerate().map(worth).collect()
}
