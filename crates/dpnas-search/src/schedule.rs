//! The exploration schedule: an ε for each share of the architectures.

use std::fmt;
use std::str::FromStr;

/// A part of the schedule with one ε.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Probability of a uniform step, from 0 to 1.
    pub epsilon: f64,
    /// Number of architectures; at least 1.
    pub architectures: u32,
}

/// The phases of a search, first to last.
///
/// Prints and parses as `1.0:150,0.5:50,0.0:3`; the names `paper` and `small` parse, too.
///
/// # Source
/// SPEC §5.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule(Vec<Phase>);

impl Schedule {
    /// The published schedule: 1,500 architectures at ε = 1, 100 each at 0.9, 0.8, … 0.1, and 3 at 0; 2,403 in all.
    pub fn paper() -> Self {
        let tenths = (1..10).rev().map(|tenth| Phase { epsilon: f64::from(tenth) / 10.0, architectures: 100 });
        let first = Phase { epsilon: 1.0, architectures: 1500 };
        let last = Phase { epsilon: 0.0, architectures: 3 };
        Self([first].into_iter().chain(tenths).chain([last]).collect())
    }

    /// A short schedule for small spaces: 48 architectures.
    pub fn small() -> Self {
        let phases = [(1.0, 24), (0.7, 8), (0.4, 8), (0.1, 6), (0.0, 2)];
        Self(phases.map(|(epsilon, architectures)| Phase { epsilon, architectures }).to_vec())
    }

    /// A schedule of these phases.
    ///
    /// # Errors
    /// If there are no phases, an ε is not between 0 and 1, or a phase has no architectures.
    pub fn new(phases: Vec<Phase>) -> Result<Self, ScheduleError> {
        if phases.is_empty() {
            return Err(ScheduleError::Empty);
        }
        for (index, phase) in phases.iter().enumerate() {
            let part = index + 1;
            if !(0.0..=1.0).contains(&phase.epsilon) {
                return Err(ScheduleError::Epsilon { part, epsilon: phase.epsilon });
            }
            if phase.architectures == 0 {
                return Err(ScheduleError::NoArchitectures { part });
            }
        }
        Ok(Self(phases))
    }

    /// The same shares of another number of architectures.
    ///
    /// # Errors
    /// If there are none.
    pub fn of_total(&self, architectures: u32) -> Result<Self, ScheduleError> {
        let all = self.total().max(1);
        let end = |sum: u64| (sum * u64::from(architectures) + all / 2) / all;
        let mut sum = 0;
        let phases = self.0.iter().map(|phase| {
            let start = end(sum);
            sum += u64::from(phase.architectures);
            Phase { epsilon: phase.epsilon, architectures: (end(sum) - start) as u32 }
        });
        Self::new(phases.filter(|phase| phase.architectures > 0).collect())
    }

    /// The phases, first to last.
    pub fn phases(&self) -> &[Phase] {
        &self.0
    }

    /// Number of architectures in all phases.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|phase| u64::from(phase.architectures)).sum()
    }

    /// The ε of the architecture at `position`, counted from 0; `None` after the schedule's end.
    pub fn epsilon_at(&self, position: u64) -> Option<f64> {
        let mut end = 0;
        self.0.iter().find_map(|phase| {
            end += u64::from(phase.architectures);
            (position < end).then_some(phase.epsilon)
        })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Phase { epsilon, architectures }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{epsilon:?}:{architectures}")?;
        }
        Ok(())
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        match text.trim() {
            "paper" => Ok(Self::paper()),
            "small" => Ok(Self::small()),
            "" => Err(ScheduleError::Empty),
            parts => {
                let phases = parts.split(',').enumerate().map(|(index, text)| parse_phase(index + 1, text));
                Self::new(phases.collect::<Result<_, _>>()?)
            }
        }
    }
}

dpnas_grammar::serde_as_text!(Schedule);

fn parse_phase(part: usize, text: &str) -> Result<Phase, ScheduleError> {
    let text = text.trim();
    let Some((epsilon, architectures)) = text.split_once(':') else {
        return Err(ScheduleError::NoColon { part, text: text.to_owned() });
    };
    let not_a_number = |text: &str| ScheduleError::NotANumber { part, text: text.to_owned() };
    let (epsilon, architectures) = (epsilon.trim(), architectures.trim());
    Ok(Phase {
        epsilon: epsilon.parse().map_err(|_| not_a_number(epsilon))?,
        architectures: architectures.parse().map_err(|_| not_a_number(architectures))?,
    })
}

/// Why a text or a list of phases is not a schedule. Parts are counted from 1.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// There are no phases.
    #[error("schedule: it is empty; write `paper`, `small`, or phases such as 1.0:150,0.5:50,0.0:3")]
    Empty,
    /// A part of the text has no colon.
    #[error("schedule: part {part}, `{text}`, has no colon; write EPSILON:ARCHITECTURES, for example 0.5:50")]
    NoColon {
        /// The part.
        part: usize,
        /// Its text.
        text: String,
    },
    /// The text before or after the colon is not a number, or the count does not fit `u32`.
    #[error(
        "schedule: part {part}: `{text}` is not a number that fits there; write EPSILON:ARCHITECTURES, for example 0.5:50"
    )]
    NotANumber {
        /// The part.
        part: usize,
        /// The text in place of a number.
        text: String,
    },
    /// An ε outside of 0..=1, or not a number.
    #[error("schedule: part {part}: epsilon {epsilon:?} is a probability; write a number from 0 to 1")]
    Epsilon {
        /// The part.
        part: usize,
        /// The ε that was given.
        epsilon: f64,
    },
    /// A phase of no architectures.
    #[error("schedule: part {part}: 0 architectures make no phase; write at least 1 or leave the part out")]
    NoArchitectures {
        /// The part.
        part: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_add_up_to_any_total() {
        for total in [1, 2, 7, 48, 100, 2403] {
            for schedule in [Schedule::small(), Schedule::paper()] {
                assert_eq!(schedule.of_total(total).unwrap().total(), u64::from(total));
            }
        }
        assert_eq!(Schedule::small().of_total(48).unwrap(), Schedule::small());
        assert_eq!(Schedule::small().of_total(24).unwrap().to_string(), "1.0:12,0.7:4,0.4:4,0.1:3,0.0:1");
        assert!(Schedule::small().of_total(0).is_err());
    }

    #[test]
    fn the_published_schedule_has_2403_architectures() {
        let schedule = Schedule::paper();
        assert_eq!(schedule.total(), 2403);
        let at = |position| schedule.epsilon_at(position);
        assert_eq!([at(0), at(1499), at(1500), at(1599), at(1600)], [1.0, 1.0, 0.9, 0.9, 0.8].map(Some));
        assert_eq!([at(2399), at(2400), at(2402), at(2403)], [Some(0.1), Some(0.0), Some(0.0), None]);
        assert_eq!(
            schedule.to_string(),
            "1.0:1500,0.9:100,0.8:100,0.7:100,0.6:100,0.5:100,0.4:100,0.3:100,0.2:100,0.1:100,0.0:3"
        );
    }

    #[test]
    fn names_and_free_spaces_parse() {
        assert_eq!(" paper ".parse(), Ok(Schedule::paper()));
        assert_eq!("small".parse(), Ok(Schedule::small()));
        assert_eq!("1 : 2, .5:3".parse::<Schedule>().unwrap().to_string(), "1.0:2,0.5:3");
    }

    #[test]
    fn errors_say_which_part_is_wrong_and_why() {
        let cases = [
            ("", "schedule: it is empty; write `paper`, `small`, or phases such as 1.0:150,0.5:50,0.0:3"),
            ("1.0:10,0.5", "schedule: part 2, `0.5`, has no colon; write EPSILON:ARCHITECTURES, for example 0.5:50"),
            ("1.0:10,", "schedule: part 2, ``, has no colon; write EPSILON:ARCHITECTURES, for example 0.5:50"),
            (
                "x:10",
                "schedule: part 1: `x` is not a number that fits there; write EPSILON:ARCHITECTURES, for example 0.5:50",
            ),
            (
                "1:-2",
                "schedule: part 1: `-2` is not a number that fits there; write EPSILON:ARCHITECTURES, for example 0.5:50",
            ),
            ("1:1,1.5:10", "schedule: part 2: epsilon 1.5 is a probability; write a number from 0 to 1"),
            ("NaN:10", "schedule: part 1: epsilon NaN is a probability; write a number from 0 to 1"),
            ("1:1,0:0", "schedule: part 2: 0 architectures make no phase; write at least 1 or leave the part out"),
        ];
        for (text, message) in cases {
            assert_eq!(text.parse::<Schedule>().unwrap_err().to_string(), message, "{text:?}");
        }
    }

    fn schedules() -> impl Strategy<Value = Schedule> {
        let phase = (0.0..=1.0, 1u32..).prop_map(|(epsilon, architectures)| Phase { epsilon, architectures });
        prop::collection::vec(phase, 1..8).prop_map(|phases| Schedule::new(phases).unwrap())
    }

    proptest! {
        #[test]
        fn printing_then_parsing_is_the_identity(schedule in schedules()) {
            prop_assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }

        #[test]
        fn any_text_parses_or_fails_without_a_panic(text in "[-+.:,0-9a-zNI ]{0,24}") {
            if let Ok(schedule) = text.parse::<Schedule>() {
                prop_assert_eq!(schedule.to_string().parse(), Ok(schedule));
            }
        }

        #[test]
        fn the_phase_of_a_position_is_the_one_that_holds_it(phases in prop::collection::vec((0.0..=1.0, 1u32..5), 1..6)) {
            let every: Vec<f64> = phases.iter().flat_map(|&(epsilon, n)| vec![epsilon; n as usize]).collect();
            let phases = phases.iter().map(|&(epsilon, architectures)| Phase { epsilon, architectures }).collect();
            let schedule = Schedule::new(phases).unwrap();
            prop_assert_eq!(schedule.total(), every.len() as u64);
            for position in 0..every.len() + 2 {
                prop_assert_eq!(schedule.epsilon_at(position as u64), every.get(position).copied());
            }
        }
    }
}
