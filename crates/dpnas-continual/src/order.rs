//! The order in which classes appear.

use crate::StreamError;
use dpnas_seed::Seed;
use rand_mt::Mt;
use std::fmt;
use std::str::FromStr;

/// The order in which classes appear.
///
/// Prints and parses as `natural`, `seed:7`, `pycil` and `3,1,0,2`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClassOrder {
    /// Ascending labels.
    Natural,
    /// A permutation drawn from a seed.
    Seeded(Seed),
    /// The permutation that PyCIL and its descendants use: numpy's legacy generator with seed 1993.
    Pycil,
    /// This permutation.
    Given(Vec<u32>),
}

impl ClassOrder {
    /// The labels `0..classes` in this order.
    ///
    /// # Errors
    /// If a given order is no permutation of them.
    pub fn permutation(&self, classes: u32) -> Result<Vec<u32>, StreamError> {
        let mut order: Vec<u32> = (0..classes).collect();
        match self {
            Self::Natural => {}
            Self::Seeded(seed) => seed.stream("class order", 0).rng().shuffle(&mut order),
            Self::Pycil => numpy_shuffle(&mut order, 1993),
            Self::Given(given) => {
                let mut sorted = given.clone();
                sorted.sort_unstable();
                if sorted != order {
                    return Err(StreamError::NoPermutation { classes });
                }
                order.clone_from(given);
            }
        }
        Ok(order)
    }
}

/// As `numpy.random.seed(seed); numpy.random.shuffle(items)`: from the end, each item is swapped with one before it, whose
/// place is drawn by masking 32 bits and rejecting what is too large.
fn numpy_shuffle(items: &mut [u32], seed: u32) {
    let mut generator = Mt::new(seed);
    for last in (1..items.len()).rev() {
        let mask = (last + 1).next_power_of_two() - 1;
        let place = loop {
            let draw = generator.next_u32() as usize & mask;
            if draw <= last {
                break draw;
            }
        };
        items.swap(last, place);
    }
}

impl FromStr for ClassOrder {
    type Err = StreamError;

    fn from_str(text: &str) -> Result<Self, StreamError> {
        let unknown = || StreamError::UnknownOrder { text: text.to_owned() };
        Ok(match text {
            "natural" => Self::Natural,
            "pycil" => Self::Pycil,
            _ => match text.strip_prefix("seed:") {
                Some(seed) => Self::Seeded(Seed(seed.parse().map_err(|_| unknown())?)),
                None => Self::Given(
                    text.split(',')
                        .map(|label| label.trim().parse().map_err(|_| unknown()))
                        .collect::<Result<_, _>>()?,
                ),
            },
        })
    }
}

dpnas_grammar::serde_as_text!(ClassOrder);

impl fmt::Display for ClassOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Natural => f.pad("natural"),
            Self::Pycil => f.pad("pycil"),
            Self::Seeded(Seed(seed)) => write!(f, "seed:{seed}"),
            Self::Given(order) => f.write_str(&order.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_pycil_is_that_of_numpy() {
        assert_eq!(ClassOrder::Pycil.permutation(10).unwrap(), [4, 2, 7, 6, 0, 3, 5, 8, 9, 1]);
        let hundred = ClassOrder::Pycil.permutation(100).unwrap();
        assert_eq!(hundred[..10], [68, 56, 78, 8, 23, 84, 90, 65, 74, 76]);
        assert_eq!(hundred[90..], [51, 48, 73, 93, 39, 67, 29, 49, 57, 33]);
    }

    #[test]
    fn orders_print_and_parse_and_are_permutations() {
        for text in ["natural", "seed:7", "pycil", "3,1,0,2"] {
            let order: ClassOrder = text.parse().unwrap();
            assert_eq!(order.to_string(), text);
            let mut labels = order.permutation(4).unwrap();
            labels.sort_unstable();
            assert_eq!(labels, [0, 1, 2, 3]);
        }
        assert_ne!(ClassOrder::Seeded(Seed(1)).permutation(30), ClassOrder::Seeded(Seed(2)).permutation(30));
        let message = |text: &str| text.parse::<ClassOrder>().unwrap_err().to_string();
        assert_eq!(
            message("random"),
            "unknown class order `random`: use natural, seed:N, pycil, or labels such as 2,0,1"
        );
        let error = ClassOrder::Given(vec![0, 0, 1]).permutation(3).unwrap_err().to_string();
        assert_eq!(error, "the class order must have each label from 0 to 2 once");
    }
}
