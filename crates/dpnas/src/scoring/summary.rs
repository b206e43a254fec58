//! Mean, standard deviation and confidence interval of the scores of several draws.

use super::t_distribution::two_sided_quantile;
use serde::Serialize;

/// Statistics of the scores of several draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Number of draws.
    pub count: usize,
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation (division by `count − 1`); `None` for one draw.
    pub standard_deviation: Option<f64>,
    /// The 95 % confidence interval of the mean by Student's t distribution; `None` for one draw. It may leave the
    /// range of an accuracy.
    pub interval: Option<(f64, f64)>,
}

impl Summary {
    /// Summarises values; `None` if there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let degrees = u32::try_from(count.checked_sub(1)?).unwrap_or(u32::MAX);
        if degrees == 0 {
            return Some(Self { count, mean, standard_deviation: None, interval: None });
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (squares / f64::from(degrees)).sqrt();
        let half = two_sided_quantile(0.95, degrees) * deviation / (count as f64).sqrt();
        let interval = Some((mean - half, mean + half));
        Some(Self { count, mean, standard_deviation: Some(deviation), interval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_worked_example_comes_out() {
        // Of 2, 4, 4, 4, 5, 5, 7, 9: squares about the mean 5 sum to 32; t for 7 degrees of freedom is 2.364624.
        let summary = Summary::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((summary.count, summary.mean), (8, 5.0));
        let deviation = summary.standard_deviation.unwrap();
        assert!((deviation - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        let (low, high) = summary.interval.unwrap();
        let half = 2.364624251592785 * deviation / 8f64.sqrt();
        assert!((5.0 - low - half).abs() < 1e-9 && (high - 5.0 - half).abs() < 1e-9, "{low} {high}");
    }

    #[test]
    fn one_draw_has_a_mean_but_no_spread_and_none_has_nothing() {
        assert_eq!(Summary::of(&[]), None);
        let one = Summary::of(&[0.7]).unwrap();
        assert_eq!(one, Summary { count: 1, mean: 0.7, standard_deviation: None, interval: None });
    }

    proptest! {
        #[test]
        fn shifting_the_values_shifts_mean_and_interval(
            values in prop::collection::vec(0.0f64..1.0, 2..20),
            shift in -1.0f64..1.0,
        ) {
            let moved: Vec<f64> = values.iter().map(|value| value + shift).collect();
            let (a, b) = (Summary::of(&values).unwrap(), Summary::of(&moved).unwrap());
            prop_assert!((b.mean - a.mean - shift).abs() < 1e-12);
            prop_assert!((b.standard_deviation.unwrap() - a.standard_deviation.unwrap()).abs() < 1e-9);
            let (low, high) = a.interval.unwrap();
            prop_assert!(low <= a.mean && a.mean <= high);
            prop_assert!((b.interval.unwrap().0 - low - shift).abs() < 1e-7);
        }
    }
}
