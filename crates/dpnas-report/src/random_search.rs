//! What chance alone would have found.

/// Expected maximum of 1, 2, …, `draws` independent draws from these rewards, each equally likely.
///
/// The maximum of k draws is at most the i-th of m rewards in rising order with probability (i/m)^k. `step` of 1 computes
/// every value; with a larger one only the first, the last and each `step`-th are numbers. Empty without rewards.
pub(crate) fn expected_best(rewards: &[f64], draws: usize, step: usize) -> Vec<f64> {
    let mut rising = rewards.to_vec();
    rising.sort_by(f64::total_cmp);
    let count = rising.len() as f64;
    let value = |k: usize| -> f64 {
        let below = |i: usize| (i as f64 / count).powf(k as f64);
        rising.iter().enumerate().map(|(i, reward)| reward * (below(i + 1) - below(i))).sum()
    };
    let computed = |k: usize| k == 1 || k == draws || k.is_multiple_of(step);
    let last = if rising.is_empty() { 0 } else { draws };
    (1..=last).map(|k| if computed(k) { value(k) } else { f64::NAN }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_draw_expects_the_mean_and_many_the_best() {
        let values = expected_best(&[0.2, 0.8, 0.5], 400, 1);
        assert!((values[0] - 0.5).abs() < 1e-12);
        // Of nine pairs one has the maximum 0.2, three have 0.5 and five have 0.8.
        assert!((values[1] - (0.2 + 3.0 * 0.5 + 5.0 * 0.8) / 9.0).abs() < 1e-12);
        assert!((values[399] - 0.8).abs() < 1e-12);
        assert!(expected_best(&[], 3, 1).is_empty());
    }

    #[test]
    fn left_out_values_are_no_numbers() {
        let values = expected_best(&[0.3, 0.4], 8, 3);
        let numbers: Vec<usize> = (1..=8).filter(|k| values[k - 1].is_finite()).collect();
        assert_eq!(numbers, [1, 3, 6, 8]);
    }

    proptest! {
        /// The oracle counts every tuple of draws.
        #[test]
        fn it_is_the_mean_over_all_tuples(rewards in prop::collection::vec(0.0f64..1.0, 1..6), draws in 1u32..5) {
            let count = rewards.len();
            let tuples = count.pow(draws);
            let best = |tuple: usize| (0..draws).map(|i| rewards[tuple / count.pow(i) % count]).fold(0.0, f64::max);
            let mean = (0..tuples).map(best).sum::<f64>() / tuples as f64;
            prop_assert!((expected_best(&rewards, draws as usize, 1)[draws as usize - 1] - mean).abs() < 1e-12);
        }
    }
}
