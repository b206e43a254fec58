//! The seeded split of the training images into training and validation images.

use crate::DataError;
use dpnas_seed::Seed;

/// Training and validation images: a partition of `0..n`, both parts ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOut {
    /// Indices of the training images.
    pub train: Vec<usize>,
    /// Indices of the validation images.
    pub valid: Vec<usize>,
}

/// Holds out a random `fraction` of `n` images for validation.
///
/// `n · fraction` is rounded to the nearest whole number (halves up), with at least one image for each part. The images
/// held out are the first ones of a permutation of `0..n` drawn from the stream (`seed`, "hold-out", 0).
///
/// # Errors
/// [`DataError::HoldOutFraction`] unless `0 < fraction < 1`; [`DataError::HoldOutCount`] if `n < 2`.
///
/// # Source
/// SPEC §7: 10 % of the training set.
pub fn hold_out(n: usize, fraction: f64, seed: Seed) -> Result<HoldOut, DataError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(DataError::HoldOutFraction { fraction });
    }
    if n < 2 {
        return Err(DataError::HoldOutCount { images: n });
    }
    let held_out = ((n as f64 * fraction).round() as usize).clamp(1, n - 1);
    let mut valid: Vec<usize> = (0..n).collect();
    seed.stream("hold-out", 0).rng().shuffle(&mut valid);
    let mut train = valid.split_off(held_out);
    valid.sort_unstable();
    train.sort_unstable();
    Ok(HoldOut { train, valid })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn value_stability_of_the_split() {
        let split = hold_out(20, 0.25, Seed(42)).unwrap();
        assert_eq!(split.valid, [4, 6, 9, 11, 12]);
        let split = hold_out(1442, 0.1, Seed(0)).unwrap();
        assert_eq!(split.valid[..8], [35, 81, 91, 101, 113, 128, 161, 163]);
    }

    #[test]
    fn the_number_held_out_is_the_nearest_with_at_least_one_on_each_side() {
        let sizes = |n, fraction| {
            let split = hold_out(n, fraction, Seed(1)).unwrap();
            (split.train.len(), split.valid.len())
        };
        assert_eq!(sizes(60_000, 0.1), (54_000, 6_000));
        assert_eq!(sizes(1442, 0.1), (1298, 144)); // 144.2
        assert_eq!(sizes(1446, 0.1), (1301, 145)); // 144.6
        assert_eq!(sizes(10, 0.25), (7, 3)); // 2.5
        assert_eq!(sizes(2, 0.001), (1, 1));
        assert_eq!(sizes(2, 0.999), (1, 1));
        assert_eq!(sizes(3, 0.999), (1, 2));
    }

    #[test]
    fn a_fraction_outside_of_0_to_1_is_an_error() {
        for fraction in [0.0, -0.1, 1.0, 1.5, f64::NAN, f64::INFINITY] {
            assert!(matches!(hold_out(10, fraction, Seed(1)), Err(DataError::HoldOutFraction { .. })), "{fraction}");
        }
        assert_eq!(
            hold_out(10, 1.5, Seed(1)).unwrap_err().to_string(),
            "the fraction to hold out is 1.5; expected a number above 0 and below 1, for example 0.1"
        );
    }

    #[test]
    fn fewer_than_two_images_cannot_be_split() {
        for n in [0, 1] {
            assert!(matches!(hold_out(n, 0.5, Seed(1)), Err(DataError::HoldOutCount { images }) if images == n));
        }
    }

    #[test]
    fn another_seed_gives_another_split() {
        assert_ne!(hold_out(100, 0.1, Seed(1)).unwrap(), hold_out(100, 0.1, Seed(2)).unwrap());
    }

    proptest! {
        #[test]
        fn a_split_is_a_partition_in_ascending_order(n in 2usize..2000, fraction in 1e-9f64..1.0, seed: u64) {
            let split = hold_out(n, fraction, Seed(seed)).unwrap();
            prop_assert!(split.train.is_sorted() && split.valid.is_sorted());
            prop_assert!(!split.train.is_empty() && !split.valid.is_empty());
            let mut all = [split.train, split.valid].concat();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..n));
        }
    }
}
