//! Filling arrays from any position of a stream.

use crate::Stream;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

impl Stream {
    /// Fills `out` with independent standard normal numbers: elements `start .. start + out.len()` of the stream.
    ///
    /// Elements 2j and 2j+1 are the Box–Muller pair of words 2j and 2j+1, computed in `f64` by a portable library
    /// and rounded to `f32` once. An element depends only on its position.
    pub fn fill_normal(&self, start: u64, out: &mut [f32]) {
        let Some(last) = out.len().checked_sub(1) else { return };
        let (first_pair, end) = (start / 2, start + last as u64);
        let mut rng = self.at_word(first_pair * 2);
        for pair in first_pair..=end / 2 {
            for (element, value) in (pair * 2..).zip(box_muller(&mut rng)) {
                if (start..=end).contains(&element) {
                    out[(element - start) as usize] = value;
                }
            }
        }
    }

    /// Fills `out` with independent uniform numbers in `[low, high)`: elements `start .. start + out.len()` of the
    /// stream, one word each (24 random bits). Rounding can produce `high` itself if the range is coarse.
    pub fn fill_uniform(&self, start: u64, low: f32, high: f32, out: &mut [f32]) {
        let mut rng = self.at_word(start);
        for value in out {
            let unit = f64::from(rng.next_u32() >> 8) * (1.0 / f64::from(1u32 << 24));
            *value = (f64::from(low) + (f64::from(high) - f64::from(low)) * unit) as f32;
        }
    }

    fn at_word(&self, word: u64) -> ChaCha8Rng {
        let mut rng = self.rng().0;
        rng.set_word_pos(u128::from(word));
        rng
    }
}

/// Two independent standard normal numbers from the next two words.
fn box_muller(rng: &mut ChaCha8Rng) -> [f32; 2] {
    const SCALE: f64 = 1.0 / (1u64 << 32) as f64;
    let radius_word = (f64::from(rng.next_u32()) + 0.5) * SCALE; // in (0, 1): its logarithm is finite
    let angle_word = f64::from(rng.next_u32()) * SCALE;
    let radius = (-2.0 * libm::log(radius_word)).sqrt();
    let (sin, cos) = libm::sincos(std::f64::consts::TAU * angle_word);
    [(radius * cos) as f32, (radius * sin) as f32]
}

#[cfg(test)]
mod tests {
    use crate::Seed;
    use proptest::prelude::*;

    #[test]
    fn value_stability_of_normal_numbers() {
        let mut out = [0.0; 6];
        Seed(42).stream("encoder", 0).fill_normal(0, &mut out);
        assert_eq!(out, [1.5207548, 0.09036998, -1.2335517, 0.31335944, -1.0926809, -0.9884898]);
        Seed(42).stream("encoder", 0).fill_normal(1 << 33, &mut out);
        assert_eq!(out[..2], [-0.7890081, 0.93148434]);
    }

    #[test]
    fn value_stability_of_uniform_numbers() {
        let mut out = [0.0; 4];
        Seed(42).stream("encoder", 0).fill_uniform(0, -1.0, 1.0, &mut out);
        assert_eq!(out, [-0.3732978, -0.9811069, -0.11021447, -0.079185486]);
    }

    #[test]
    fn normal_numbers_have_the_moments_of_the_normal_distribution() {
        let mut out = vec![0.0; 1 << 18];
        Seed(5).stream("encoder", 0).fill_normal(0, &mut out);
        let moment = |power: i32| out.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / out.len() as f64;
        // Bounds of about five standard errors at 262,144 draws.
        assert!(moment(1).abs() < 0.01, "mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.014, "variance {}", moment(2));
        assert!(moment(3).abs() < 0.04, "skewness {}", moment(3));
        assert!((moment(4) - 3.0).abs() < 0.1, "kurtosis {}", moment(4));
        assert!(out.iter().all(|x| x.abs() < 7.0));
    }

    #[test]
    fn uniform_numbers_cover_their_range() {
        let mut out = vec![0.0; 1 << 16];
        Seed(5).stream("encoder", 0).fill_uniform(0, -3.0, 5.0, &mut out);
        assert!(out.iter().all(|x| (-3.0..5.0).contains(x)));
        let mean = out.iter().map(|&x| f64::from(x)).sum::<f64>() / out.len() as f64;
        assert!((mean - 1.0).abs() < 0.05, "mean {mean}");
        assert!(out.iter().any(|&x| x < -2.99) && out.iter().any(|&x| x > 4.99));
    }

    proptest! {
        #[test]
        fn any_partition_fills_the_same_numbers(seed: u64, cuts in prop::collection::vec(0usize..300, 0..6)) {
            let stream = Seed(seed).stream("t", 9);
            let (mut normal, mut uniform) = ([0.0; 300], [0.0; 300]);
            stream.fill_normal(0, &mut normal);
            stream.fill_uniform(0, 0.0, 1.0, &mut uniform);
            let mut bounds = cuts;
            bounds.extend([0, 300]);
            bounds.sort_unstable();
            for part in bounds.windows(2) {
                let (start, len) = (part[0], part[1] - part[0]);
                let mut out = vec![0.0; len];
                stream.fill_normal(start as u64, &mut out);
                prop_assert_eq!(&out, &normal[start..part[1]]);
                stream.fill_uniform(start as u64, 0.0, 1.0, &mut out);
                prop_assert_eq!(&out, &uniform[start..part[1]]);
            }
        }
    }
}
