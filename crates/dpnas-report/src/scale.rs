//! Linear axes: mapping values to pixels, round ticks and their texts.

/// A linear map from values to pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Values at the two ends; `low < high`.
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Pixels at the two ends.
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Scale {
    /// The pixel of a value.
    pub(crate) fn at(&self, value: f64) -> f64 {
        self.from + self.share(value) * (self.to - self.from)
    }

    /// Where a value lies between the ends: 0 at `low`, 1 at `high`.
    pub(crate) fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

/// One tick of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) text: String,
}

/// The range of an axis that shows `low..=high` with a margin, and never starts below 0; `0 < low <= high`.
///
/// (Nearly) equal values get a range of a tenth of their size.
pub(crate) fn range_with_margin(low: f64, high: f64) -> (f64, f64) {
    let span = high - low;
    let margin = if span < 1e-6 * high { 0.05 * high } else { 0.05 * span };
    ((low - margin).max(0.0), high + margin)
}

/// About `most` ticks at multiples of 1, 2 or 5 times a power of ten, within `low..=high`; at least two.
pub(crate) fn ticks(low: f64, high: f64, most: usize) -> Vec<Tick> {
    // A hair of tolerance keeps a tick that rounding would push over the end.
    let first = |step: f64| (low / step - 1e-9).ceil();
    let count = |step: f64| (high / step + 1e-9).floor() - first(step) + 1.0;
    let mut step = round_step((high - low) / most.max(1) as f64);
    while count(step) < 2.0 {
        step = round_step(0.4 * step); // the next finer one
    }
    let values = (0..count(step) as usize).map(|i| (first(step) + i as f64) * step);
    values.map(|value| Tick { value, text: text(value, high.abs().max(low.abs()), step) }).collect()
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powi(least.log10().floor() as i32);
    [1.0, 2.0, 5.0, 10.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(power)
}

/// A tick's text with the decimals of its step, or with an exponent instead of many decimals.
fn text(value: f64, largest: f64, step: f64) -> String {
    let decimals = (-(step * (1.0 + 1e-9)).log10().floor()).max(0.0);
    if decimals > 6.0 || largest >= 1e7 {
        let digits = (largest / step).log10().ceil().clamp(0.0, 12.0) as usize;
        return if value == 0.0 { "0".to_owned() } else { format!("{value:.digits$e}") };
    }
    grouped(&format!("{value:.*}", decimals as usize))
}

/// The number with a comma between groups of three digits, from 10,000 on.
fn grouped(number: &str) -> String {
    let (whole, fraction) = number.split_at(number.find('.').unwrap_or(number.len()));
    if whole.len() < 5 {
        return number.to_owned();
    }
    let mut out = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

/// The text of an ε: the value rounded to four decimals, with at least one.
pub(crate) fn epsilon_text(epsilon: f64) -> String {
    if epsilon.abs() >= 1e6 {
        return format!("ε = {epsilon:.3e}");
    }
    let rounded = format!("{epsilon:.4}");
    let trimmed = rounded.trim_end_matches('0');
    let number = if trimmed.ends_with('.') { format!("{trimmed}0") } else { trimmed.to_owned() };
    format!("ε = {}", if number == "-0.0" { "0.0" } else { &number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(low: f64, high: f64, most: usize) -> Vec<String> {
        ticks(low, high, most).into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(texts(0.0, 2427.0, 6), ["0", "500", "1000", "1500", "2000"]);
        assert_eq!(texts(0.52, 0.93, 9), ["0.55", "0.60", "0.65", "0.70", "0.75", "0.80", "0.85", "0.90"]);
        assert_eq!(texts(0.0, 1.0, 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(0.0, 101_000.0, 5), ["0", "50,000", "100,000"]);
        assert_eq!(texts(0.0, 1e-9, 2), ["0", "5.0e-10", "1.0e-9"]);
    }

    #[test]
    fn equal_rewards_still_have_a_range() {
        let (low, high) = range_with_margin(0.8, 0.8);
        assert!(low < 0.8 && high > 0.8);
        assert_eq!(range_with_margin(0.001, 0.9).0, 0.0);
    }

    #[test]
    fn epsilons_read_as_people_write_them() {
        for (epsilon, text) in
            [(1.0, "ε = 1.0"), (0.9, "ε = 0.9"), (0.0, "ε = 0.0"), (-0.0, "ε = 0.0"), (0.05, "ε = 0.05")]
        {
            assert_eq!(epsilon_text(epsilon), text);
        }
        assert_eq!(epsilon_text(0.1 + 0.2), "ε = 0.3");
        assert_eq!(epsilon_text(1e300), "ε = 1.000e300");
    }

    proptest! {
        #[test]
        fn ticks_lie_in_the_range_and_read_differently(
            low in 1e-12f64..1e12,
            relative in 1e-3f64..10.0,
            most in 2usize..12,
        ) {
            let high = low * (1.0 + relative);
            let ticks = ticks(low, high, most);
            prop_assert!(ticks.len() >= 2 && ticks.len() <= most.max(4) + 1);
            let slack = (high - low) * 1e-6;
            prop_assert!(ticks.iter().all(|tick| tick.value >= low - slack && tick.value <= high + slack));
            prop_assert!(ticks.windows(2).all(|pair| pair[0].text != pair[1].text), "{:?}", ticks);
        }
    }
}
