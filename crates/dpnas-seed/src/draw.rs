//! Sequential draws from a generator: integers, unit reals, permutations.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

/// A generator of sequential draws ([`Stream::rng`](crate::Stream::rng)).
#[derive(Clone, Debug)]
pub struct Rng(pub(crate) ChaCha8Rng);

impl Rng {
    /// A uniform integer in `0..n`, without bias: a draw in the incomplete last interval is repeated.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "cannot draw from an empty range");
        let excess = (u64::MAX % n + 1) % n; // 2^64 mod n
        loop {
            let word = self.0.next_u64();
            if word <= u64::MAX - excess {
                return word % n;
            }
        }
    }

    /// A uniform real in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A uniform permutation of `items`, in place (Fisher–Yates, from the last position to the second).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Seed;
    use proptest::prelude::*;

    #[test]
    fn value_stability_of_sequential_draws() {
        let mut rng = Seed(42).stream("walk", 0).rng();
        let draws: Vec<u64> = (0..8).map(|_| rng.below(10)).collect();
        assert_eq!(draws, [8, 0, 9, 1, 6, 3, 5, 9]);
        assert_eq!(rng.unit(), 0.15140283950158384);
        let mut items = [0, 1, 2, 3, 4, 5, 6, 7];
        rng.shuffle(&mut items);
        assert_eq!(items, [7, 5, 4, 6, 0, 2, 1, 3]);
    }

    #[test]
    fn each_value_is_equally_likely() {
        let mut rng = Seed(3).stream("walk", 0).rng();
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        // Six standard deviations of a binomial count with mean 10,000.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 560), "{counts:?}");
    }

    proptest! {
        #[test]
        fn below_stays_below(seed: u64, n in 1u64..) {
            let mut rng = Seed(seed).stream("t", 0).rng();
            prop_assert!((0..16).all(|_| rng.below(n) < n));
        }

        #[test]
        fn unit_stays_in_the_unit_interval(seed: u64) {
            let mut rng = Seed(seed).stream("t", 0).rng();
            prop_assert!((0..64).map(|_| rng.unit()).all(|x| (0.0..1.0).contains(&x)));
        }

        #[test]
        fn a_shuffle_keeps_every_item(seed: u64, n in 0usize..200) {
            let mut items: Vec<usize> = (0..n).collect();
            Seed(seed).stream("t", 0).rng().shuffle(&mut items);
            items.sort_unstable();
            prop_assert!(items.into_iter().eq(0..n));
        }
    }
}
