//! Limiting the number of training images.

use dpnas_seed::Seed;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Choice of the training images under a limit. They stay in the order of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitOrder {
    /// Random images, drawn with this seed, the same number of each class if the class has enough.
    Balanced(Seed),
    /// The first images. A set that is sorted by class loses classes.
    First,
}

impl From<Seed> for LimitOrder {
    fn from(seed: Seed) -> Self {
        Self::Balanced(seed)
    }
}

/// Indices of the chosen images, ascending: `limit` of them, or all if there are fewer.
///
/// The balanced order is a shuffle by the stream (seed, "limit-train", 0), sorted by the position within the class: the
/// first image of every class, then the second of every class, and so on.
pub(crate) fn choose(labels: &[u32], limit: usize, order: LimitOrder) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..labels.len()).collect();
    if let LimitOrder::Balanced(seed) = order
        && limit < labels.len()
    {
        seed.stream("limit-train", 0).rng().shuffle(&mut chosen);
        let mut seen = HashMap::<u32, usize>::new();
        let mut ranked: Vec<(usize, usize)> = Vec::with_capacity(chosen.len());
        for image in chosen {
            let rank = seen.entry(labels.get(image).copied().unwrap_or_default()).or_default();
            ranked.push((*rank, image));
            *rank += 1;
        }
        ranked.sort_by_key(|&(rank, _)| rank); // stable, so a round of the classes is in random order
        chosen = ranked.into_iter().map(|(_, image)| image).collect();
    }
    chosen.truncate(limit);
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ORDER: LimitOrder = LimitOrder::Balanced(Seed(3));

    #[test]
    fn value_stability_of_the_balanced_choice() {
        let labels: Vec<u32> = (0..30).map(|i| i / 10).collect();
        assert_eq!(choose(&labels, 7, ORDER), [8, 9, 10, 17, 24, 25, 28]);
        assert_eq!(choose(&labels, 7, LimitOrder::First), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_small_class_gives_all_it_has_and_the_others_share_the_rest() {
        let labels: Vec<u32> = (0..50).map(|i| u32::from(i >= 3) + u32::from(i >= 25)).collect();
        let chosen = choose(&labels, 23, ORDER);
        let count = |class| chosen.iter().filter(|&&image| labels[image] == class).count();
        assert_eq!([count(0), count(1), count(2)], [3, 10, 10]);
    }

    proptest! {
        #[test]
        fn counts_of_classes_differ_by_one_at_most_unless_a_class_is_used_up(
            labels in prop::collection::vec(0u32..5, 0..60), limit in 0usize..70, seed: u64,
        ) {
            let chosen = choose(&labels, limit, LimitOrder::Balanced(Seed(seed)));
            prop_assert_eq!(chosen.len(), limit.min(labels.len()));
            prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
            let counts = |images: &mut dyn Iterator<Item = u32>| images.fold([0; 5], |mut counts, label| {
                counts[label as usize] += 1;
                counts
            });
            let (of_all, of_chosen) =
                (counts(&mut labels.iter().copied()), counts(&mut chosen.iter().map(|&i| labels[i])));
            let most = of_chosen.into_iter().max().unwrap_or(0);
            for (all, chosen) in of_all.into_iter().zip(of_chosen) {
                prop_assert!(chosen == all || chosen + 1 >= most, "{:?} of {:?}", of_chosen, of_all);
            }
        }
    }
}
