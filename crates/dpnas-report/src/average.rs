//! The moving average of rewards.

/// Means of every `window` consecutive rewards, in order.
///
/// Element `i` is the mean of `rewards[i..i + window]`. It belongs to the last of these rewards: architecture number
/// `i + window`, counting from 1. So the first value appears when `window` rewards exist, and there are
/// `rewards.len() + 1 - window` of them; none while there are fewer rewards than `window`, or if `window` is 0.
/// A reward that is not a number affects only the windows that contain it.
///
/// # Source
/// SPEC §13.
pub fn moving_average(rewards: &[f64], window: usize) -> Vec<f64> {
    if window == 0 {
        return Vec::new();
    }
    rewards.windows(window).map(|part| part.iter().sum::<f64>() / window as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_value_is_the_mean_up_to_its_architecture() {
        assert_eq!(moving_average(&[1.0, 2.0, 3.0, 6.0], 2), [1.5, 2.5, 4.5]);
        assert_eq!(moving_average(&[1.0, 2.0, 3.0, 6.0], 4), [3.0]);
        assert_eq!(moving_average(&[1.0, 2.0], 1), [1.0, 2.0]);
    }

    #[test]
    fn too_few_rewards_or_an_empty_window_have_no_average() {
        assert!(moving_average(&[], 20).is_empty());
        assert!(moving_average(&[0.5; 19], 20).is_empty());
        assert!(moving_average(&[0.5; 19], 0).is_empty());
    }

    #[test]
    fn a_reward_that_is_not_a_number_stays_in_its_windows() {
        let mean = moving_average(&[1.0, f64::NAN, 1.0, 1.0, 1.0], 2);
        assert!(mean[0].is_nan() && mean[1].is_nan());
        assert_eq!(mean[2..], [1.0, 1.0]);
    }

    /// The oracle keeps a prefix sum, a second way to the same means.
    fn oracle(rewards: &[f64], window: usize) -> Vec<f64> {
        let mut prefix = vec![0.0];
        for (i, reward) in rewards.iter().enumerate() {
            prefix.push(prefix[i] + reward);
        }
        (window..=rewards.len()).map(|last| (prefix[last] - prefix[last - window]) / window as f64).collect()
    }

    proptest! {
        #[test]
        fn averages_equal_those_of_prefix_sums(
            rewards in prop::collection::vec(0.0f64..1.0, 0..300),
            window in 1usize..50,
        ) {
            let (ours, theirs) = (moving_average(&rewards, window), oracle(&rewards, window));
            prop_assert_eq!(ours.len(), theirs.len());
            prop_assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-11));
        }
    }
}
