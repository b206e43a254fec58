//! The order of rows, their partition, threads, merging and subtraction.

use crate::{empty, exact, rows};
use dpnas_heads::{Lambda, Shrinkage, Statistics, lda, ridge};
use dpnas_seed::Seed;
use proptest::prelude::*;

const FEATURES: usize = 53;

/// Adds rows in this order, cut at random into parts.
fn shuffled(mut statistics: Statistics, values: &[f32], labels: &[u32], seed: u64) -> Statistics {
    let mut rng = Seed(seed).stream("order", 0).rng();
    let mut order: Vec<usize> = (0..labels.len()).collect();
    rng.shuffle(&mut order);
    let row = |&row: &usize| values[row * FEATURES..][..FEATURES].iter().copied();
    let mut rest = &order[..];
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.len().min(1 + rng.below(300) as usize));
        let part_values: Vec<f32> = part.iter().flat_map(row).collect();
        let part_labels: Vec<u32> = part.iter().map(|&row| labels[row]).collect();
        statistics.add(&part_values, &part_labels).unwrap();
        rest = after;
    }
    statistics
}

#[test]
fn a_hundred_orders_and_partitions_give_the_same_bits() {
    let (values, labels) = rows(1, 700, FEATURES);
    let mut joint = exact(&values, FEATURES);
    let empty = joint.emptied();
    joint.add(&values, &labels).unwrap();
    let heads = |statistics: &Statistics| {
        let ridge = ridge(statistics, Lambda::Gcv).unwrap();
        (ridge, lda(statistics, Shrinkage::Oas).unwrap())
    };
    let expected = heads(&joint);
    for seed in 0..100 {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(1 + seed as usize % 3).build().unwrap();
        threads.install(|| {
            let found = shuffled(empty.clone(), &values, &labels, seed);
            assert!(found.to_bytes().unwrap() == joint.to_bytes().unwrap(), "order {seed}");
            assert!(heads(&found) == expected, "order {seed}");
        });
    }
}

#[test]
fn orders_agree_to_ten_digits_in_f64() {
    let (values, labels) = rows(2, 700, FEATURES);
    let mut joint = Statistics::float(FEATURES).unwrap();
    joint.add(&values, &labels).unwrap();
    let expected = ridge(&joint, Lambda::Fixed(1.0)).unwrap().head;
    for seed in 0..100 {
        let found = shuffled(joint.emptied(), &values, &labels, seed);
        let found = ridge(&found, Lambda::Fixed(1.0)).unwrap().head;
        let differences = found.weights().iter().zip(expected.weights()).map(|(a, b)| (a - b).abs());
        assert!(differences.fold(0.0, f64::max) < 1e-10, "order {seed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn merged_parts_are_the_whole_and_a_subtracted_part_was_never_seen(
        count in 2usize..400,
        features in 1usize..60,
        part in 0.0f64..1.0,
        seed: u64,
    ) {
        let (values, labels) = rows(seed, count, features);
        let cut = (part * count as f64) as usize;
        for (place, empty) in empty(features).into_iter().enumerate() {
            let of = |rows: std::ops::Range<usize>| {
                let mut statistics = empty.clone();
                statistics.add(&values[rows.start * features..rows.end * features], &labels[rows]).unwrap();
                statistics
            };
            let (first, second, all) = (of(0..cut), of(cut..count), of(0..count));
            let mut merged = first.clone();
            merged.merge(&second).unwrap();
            let mut left = all.clone();
            left.subtract(&second).unwrap();
            prop_assert_eq!(merged.counts(), all.counts());
            prop_assert_eq!(left.counts(), first.counts());
            if place == 0 {
                prop_assert!(merged == all && left == first);
            }
            prop_assert_eq!(Statistics::from_bytes(&all.to_bytes().unwrap()).unwrap(), all);
        }
    }
}

#[test]
fn a_class_is_unlearned() {
    let (values, labels) = rows(3, 300, FEATURES);
    let [mut all, _] = empty(FEATURES);
    let (mut own, mut others) = (all.clone(), all.clone());
    for (row, &label) in values.chunks_exact(FEATURES).zip(&labels) {
        if label == 5 { &mut own } else { &mut others }.add(row, &[label]).unwrap();
        all.add(row, &[label]).unwrap();
    }
    all.subtract(&own).unwrap();
    assert!(all == others && !all.counts().contains_key(&5));
}
