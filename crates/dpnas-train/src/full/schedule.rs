//! Learning-rate schedules.

use std::fmt;
use std::str::FromStr;

/// How the learning rate changes from epoch to epoch.
///
/// Prints and parses as `constant`, `cosine`, `step:30,0.1`, also with serde.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum RateSchedule {
    /// The same rate in every epoch.
    Constant,
    /// Half a cosine, from the full rate in the first epoch towards 0 after the last.
    Cosine,
    /// Multiplied by a factor every few epochs.
    Step {
        /// Epochs between two changes, at least 1.
        epochs: u32,
        /// The factor, above 0 and at most 1.
        factor: f64,
    },
}

impl RateSchedule {
    /// The factor of the learning rate in an epoch, counted from 0, of `epochs`.
    pub fn factor(&self, epoch: u32, epochs: u32) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * f64::from(epoch) / f64::from(epochs.max(1))).cos()),
            // A product instead of a power gives the same bits on every platform.
            Self::Step { epochs, factor } => (0..epoch / epochs.max(1)).fold(1.0, |product, _| product * factor),
        }
    }
}

/// A text that is not a learning-rate schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a learning-rate schedule: use `constant`, `cosine`, or `step:EPOCHS,FACTOR` with at least 1 epoch and a \
     factor above 0 and at most 1, for example `step:30,0.1`"
)]
pub struct UnknownSchedule {
    /// The text that was given.
    pub text: String,
}

impl FromStr for RateSchedule {
    type Err = UnknownSchedule;

    fn from_str(text: &str) -> Result<Self, UnknownSchedule> {
        let step = |numbers: &str| {
            let (epochs, factor) = numbers.split_once(',')?;
            let (epochs, factor) = (epochs.trim().parse().ok()?, factor.trim().parse::<f64>().ok()?);
            (epochs > 0 && factor > 0.0 && factor <= 1.0).then_some(Self::Step { epochs, factor })
        };
        let schedule = match text.trim().split_once(':') {
            None if text.trim() == "constant" => Some(Self::Constant),
            None if text.trim() == "cosine" => Some(Self::Cosine),
            Some(("step", numbers)) => step(numbers),
            _ => None,
        };
        schedule.ok_or_else(|| UnknownSchedule { text: text.to_owned() })
    }
}

dpnas_grammar::serde_as_text!(RateSchedule);

impl fmt::Display for RateSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Cosine => f.write_str("cosine"),
            Self::Step { epochs, factor } => write!(f, "step:{epochs},{factor:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_print_and_parse() {
        for schedule in [RateSchedule::Constant, RateSchedule::Cosine, RateSchedule::Step { epochs: 30, factor: 0.1 }] {
            assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }
        assert_eq!("step:30,0.1".parse(), Ok(RateSchedule::Step { epochs: 30, factor: 0.1 }));
        for wrong in ["", "linear", "step", "step:0,0.1", "step:3,0", "step:3,1.5", "step:3", "step:3,nan", "cosine:3"]
        {
            let message = wrong.parse::<RateSchedule>().unwrap_err().to_string();
            assert!(message.contains("for example `step:30,0.1`"), "{message}");
        }
    }

    #[test]
    fn the_rate_follows_the_schedule() {
        let rates = |schedule: RateSchedule| -> Vec<f64> { (0..4).map(|epoch| schedule.factor(epoch, 4)).collect() };
        assert_eq!(rates(RateSchedule::Constant), [1.0; 4]);
        assert_eq!(rates(RateSchedule::Step { epochs: 2, factor: 0.5 }), [1.0, 1.0, 0.5, 0.5]);
        let cosine = rates(RateSchedule::Cosine);
        assert_eq!(cosine[0], 1.0);
        assert!((cosine[2] - 0.5).abs() < 1e-12);
        assert!(cosine.is_sorted_by(|a, b| a > b) && cosine[3] > 0.0);
    }
}
