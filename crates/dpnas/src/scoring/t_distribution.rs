//! Student's t distribution for integer degrees of freedom.

use std::f64::consts::FRAC_2_PI;

/// The `t` with `P(|T| ≤ t) = confidence`, for `0 < confidence < 1` and at least one degree of freedom.
///
/// For integer degrees of freedom the probability is a finite sum. It rises with `t`, so bisection finds `t` to the
/// last bits.
///
/// # Source
/// Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
pub(crate) fn two_sided_quantile(confidence: f64, degrees: u32) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while probability(high, degrees) < confidence && high < 1e300 {
        high *= 2.0;
    }
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        if probability(middle, degrees) < confidence { low = middle } else { high = middle }
    }
}

/// `P(|T| ≤ t)`.
fn probability(t: f64, degrees: u32) -> f64 {
    let n = f64::from(degrees.max(1));
    let hypotenuse = (n + t * t).sqrt();
    let (sine, square) = (t / hypotenuse, n / (n + t * t)); // of the angle θ = atan(t / √n): sin θ and cos² θ
    let odd = degrees % 2 == 1;
    // Each term is the previous one times cos² θ · (k − 1)/k, with even k for even degrees and odd k for odd degrees.
    let (mut term, mut k) = if odd { (n.sqrt() / hypotenuse, 3) } else { (1.0, 2) };
    let mut sum = if degrees > 1 { term } else { 0.0 };
    while k < degrees {
        term *= square * f64::from(k - 1) / f64::from(k);
        sum += term;
        k += 2;
    }
    if odd { FRAC_2_PI * ((t / n.sqrt()).atan() + sine * sum) } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Quantiles from tables of the distribution, in double precision.
    #[test]
    fn the_quantiles_are_those_of_the_tables() {
        for (degrees, expected) in [
            (1, 12.706204736432095),
            (2, 4.302652729911275),
            (3, 3.182446305284263),
            (4, 2.7764451051977987),
            (5, 2.5705818366147395),
            (9, 2.2621571627409915),
            (10, 2.2281388519649385),
            (29, 2.045229642132703),
            (30, 2.0422724563012373),
            (100, 1.983971518523552),
        ] {
            let found = two_sided_quantile(0.95, degrees);
            assert!((found - expected).abs() < 1e-9 * expected, "{degrees}: {found} is not {expected}");
        }
        for (confidence, degrees, expected) in [(0.99, 2, 9.92484320091807), (0.5, 1, 1.0), (0.9, 4, 2.13184678632665)]
        {
            let found = two_sided_quantile(confidence, degrees);
            assert!((found - expected).abs() < 1e-9 * expected, "{confidence}, {degrees}: {found}");
        }
    }

    #[test]
    fn many_degrees_of_freedom_approach_the_normal_distribution() {
        assert!((two_sided_quantile(0.95, 1_000_000) - 1.959963984540054).abs() < 1e-5);
    }

    /// The density integrated by Simpson's rule, normalised to a total of 1.
    fn integral(t: f64, degrees: u32) -> f64 {
        let n = f64::from(degrees);
        // With x = √n·tan φ the density, (1 + x²/n)^(−(n + 1)/2), becomes cos φ to the power n − 1 on a finite range.
        let area = |angle: f64| {
            let steps = 2000;
            let h = angle / f64::from(steps);
            let value = |i: i32| (f64::from(i) * h).cos().abs().powf(n - 1.0);
            (0..steps / 2).map(|i| (value(2 * i) + 4.0 * value(2 * i + 1) + value(2 * i + 2)) * h / 3.0).sum::<f64>()
        };
        area((t / n.sqrt()).atan()) / area(std::f64::consts::FRAC_PI_2)
    }

    proptest! {
        #[test]
        fn the_finite_sum_is_the_integral_of_the_density(t in 0.0f64..20.0, degrees in 1u32..60) {
            prop_assert!((probability(t, degrees) - integral(t, degrees)).abs() < 1e-8);
        }

        #[test]
        fn the_quantile_is_the_inverse(confidence in 0.01f64..0.999, degrees in 1u32..200) {
            let t = two_sided_quantile(confidence, degrees);
            prop_assert!((probability(t, degrees) - confidence).abs() < 1e-12);
        }
    }
}
