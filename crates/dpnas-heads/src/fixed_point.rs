//! The fixed-point grid that makes sums exact.

use crate::HeadError;
use crate::error::check_rows;

/// Largest magnitude of a value on the grid: 15 bits.
pub(crate) const LARGEST: i16 = i16::MAX;

/// A fixed-point grid: feature `j` is rounded to multiples of `2^-exponents[j]`, to even at ties, and cut to 15 bits and a
/// sign.
///
/// It is chosen before the stream of rows begins, so each row is rounded in the same way wherever it comes. A value beyond
/// the range counts as clipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedPoint {
    exponents: Vec<i8>,
}

impl FixedPoint {
    /// One grid for all features that reaches from `-largest` to `largest`.
    ///
    /// # Errors
    /// If there are no features, or `largest` is not a finite number above 0.
    pub fn uniform(features: usize, largest: f32) -> Result<Self, HeadError> {
        if features == 0 {
            return Err(HeadError::NoFeatures);
        }
        if !(largest.is_finite() && largest > 0.0) {
            let value = f64::from(largest);
            return Err(HeadError::Setting { setting: "largest", value, expected: "finite and above 0" });
        }
        Ok(Self { exponents: vec![exponent(largest); features] })
    }

    /// A grid for each feature that reaches to four times its largest magnitude in these rows, for example those of the
    /// calibration images. A feature that is 0 in all of them gets the grid of the largest feature.
    ///
    /// # Errors
    /// If the values are not whole, finite rows, or there is no row.
    pub fn of_rows(values: &[f32], features: usize) -> Result<Self, HeadError> {
        if check_rows(values, features)? == 0 {
            return Err(HeadError::Empty);
        }
        let mut largest = vec![0.0f32; features];
        for row in values.chunks_exact(features) {
            for (largest, value) in largest.iter_mut().zip(row) {
                *largest = largest.max(value.abs());
            }
        }
        let overall = largest.iter().copied().fold(0.0, f32::max);
        let overall = if overall > 0.0 { overall } else { 1.0 };
        let exponent = |&largest: &f32| exponent(4.0 * if largest > 0.0 { largest } else { overall });
        Ok(Self { exponents: largest.iter().map(exponent).collect() })
    }

    pub(crate) fn from_exponents(exponents: Vec<i8>) -> Self {
        Self { exponents }
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.exponents.len()
    }

    /// The exponent of each feature: its grid has steps of `2^-exponent`.
    pub fn exponents(&self) -> &[i8] {
        &self.exponents
    }

    /// Factors from values to whole numbers of the grid.
    pub(crate) fn scales(&self) -> Vec<f32> {
        self.exponents.iter().map(|&exponent| (f64::from(exponent)).exp2() as f32).collect()
    }

    /// Steps of the grid.
    pub(crate) fn steps(&self) -> Vec<f64> {
        self.exponents.iter().map(|&exponent| (-f64::from(exponent)).exp2()).collect()
    }
}

/// The finest power of two for which 15 bits reach to `largest`, within what `f32` can scale by.
fn exponent(largest: f32) -> i8 {
    let reach = f64::from(LARGEST) / f64::from(largest);
    // At most 126: the factor must be a normal number of f32, and so must its inverse.
    reach.log2().floor().clamp(-126.0, 126.0) as i8
}

/// The nearest whole number, even at ties, within 15 bits. `scaled` must not be undefined.
#[inline(always)]
pub(crate) fn round(scaled: f32) -> i16 {
    // Adding 1.5 · 2²³ leaves no bits for a fraction, so the sum is rounded as the processor rounds: to even at ties.
    const MAGIC: f32 = 12_582_912.0;
    let cut = scaled.clamp(-f32::from(LARGEST), f32::from(LARGEST));
    ((cut + MAGIC).to_bits() as i32).wrapping_sub(MAGIC.to_bits() as i32) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_go_to_even_and_ends_are_cut() {
        for (value, expected) in [
            (0.5, 0),
            (1.5, 2),
            (2.5, 2),
            (-0.5, 0),
            (-1.5, -2),
            (32766.5, 32766),
            (32767.5, 32767),
            (1e30, 32767),
            (f32::NEG_INFINITY, -32767),
        ] {
            assert_eq!(round(value), expected, "{value}");
        }
    }

    #[test]
    fn a_grid_reaches_to_four_times_the_largest_value() {
        let grid = FixedPoint::of_rows(&[1.0, 0.0, -3.0, 0.0], 2).unwrap();
        // 4 · 3 = 12 < 2⁴ needs 2^11 steps a unit; 2^12 would reach to 8 only.
        assert_eq!(grid.exponents(), [11, 11]);
        assert_eq!(FixedPoint::of_rows(&[0.0; 4], 2).unwrap().exponents(), [12, 12]);
        assert_eq!(FixedPoint::uniform(1, f32::MAX).unwrap().exponents(), [-114]);
        assert_eq!(FixedPoint::uniform(1, f32::MIN_POSITIVE).unwrap().exponents(), [126]);
    }

    #[test]
    fn wrong_ranges_and_rows_are_errors() {
        for largest in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(FixedPoint::uniform(2, largest).unwrap_err().to_string().contains("finite and above 0"));
        }
        assert_eq!(FixedPoint::uniform(0, 1.0), Err(HeadError::NoFeatures));
        assert_eq!(FixedPoint::of_rows(&[], 2), Err(HeadError::Empty));
        assert_eq!(FixedPoint::of_rows(&[1.0; 3], 2), Err(HeadError::Rows { values: 3, features: 2 }));
    }

    proptest! {
        #[test]
        fn rounding_is_that_of_the_standard_library(value in -40_000.0f32..40_000.0) {
            let expected = value.round_ties_even().clamp(-32767.0, 32767.0) as i16;
            prop_assert_eq!(round(value), expected);
        }

        #[test]
        fn a_value_within_the_range_is_off_by_half_a_step(largest in 1e-20f32..1e20, part in -1.0f32..1.0) {
            let grid = FixedPoint::uniform(1, largest).unwrap();
            let value = part * largest;
            let error = f64::from(round(value * grid.scales()[0])) * grid.steps()[0] - f64::from(value);
            prop_assert!(error.abs() <= 0.5 * grid.steps()[0] && grid.steps()[0] <= f64::from(largest) / 16383.0);
        }
    }
}
