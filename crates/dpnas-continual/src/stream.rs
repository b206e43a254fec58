//! Streams: the rows of a data set in steps.

use crate::{ClassOrder, StreamError};
use dpnas_seed::Seed;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, usize as number};
use nom::combinator::{all_consuming, map, map_opt, opt};
use nom::multi::separated_list1;
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Most steps, and most classes of a step, that a text may ask for.
const LARGEST: usize = 1 << 20;

/// How a data set is cut into steps.
///
/// Parses from `5x2` (five steps of two classes), `50+10x5`, `4,3,3` (classes of each step), `0,1|2|0,3` (places in the class
/// order; classes may return), `data:10` (ten parts of the rows in their order) and `iid:10` (ten parts of the shuffled rows).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Steps {
    /// Number of new classes of each step.
    Sizes(Vec<usize>),
    /// Places in the class order, for each step. The rows of a class that returns are shared evenly by its steps.
    Places(Vec<Vec<usize>>),
    /// Parts of the rows in their order.
    Data(usize),
    /// Parts of the shuffled rows.
    Iid(usize),
}

/// A stream: which training rows come in each step, and which classes a step is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stream {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Training rows in the order in which they come.
    pub rows: Vec<usize>,
    /// Classes of this step, ascending.
    pub classes: Vec<u32>,
    /// Classes that appear for the first time, ascending.
    pub new_classes: Vec<u32>,
}

impl Stream {
    /// Cuts the training rows with these labels into steps. `seed` decides the order of rows within a step.
    ///
    /// # Errors
    /// If the steps leave out a class, name one that is not there, or leave a step without rows.
    pub fn new(
        labels: &[u32],
        classes: u32,
        steps: &Steps,
        order: &ClassOrder,
        seed: Seed,
    ) -> Result<Self, StreamError> {
        if let Some(&label) = labels.iter().find(|&&label| label >= classes) {
            return Err(StreamError::Label { label, classes });
        }
        let order = order.permutation(classes)?;
        let mut parts: Vec<Vec<usize>> = match steps {
            Steps::Data(parts) | Steps::Iid(parts) if *parts > labels.len() => {
                return Err(StreamError::EmptyStep { step: labels.len() });
            }
            Steps::Data(parts) => contiguous(&(0..labels.len()).collect::<Vec<_>>(), *parts),
            Steps::Iid(parts) => {
                let mut rows: Vec<usize> = (0..labels.len()).collect();
                seed.stream("stream rows", 0).rng().shuffle(&mut rows);
                contiguous(&rows, *parts)
            }
            Steps::Sizes(sizes) => {
                let found = sizes.iter().fold(0, |sum: usize, size| sum.saturating_add(*size));
                if found != order.len() {
                    return Err(StreamError::Classes { found, classes });
                }
                let mut next = 0;
                let places = sizes.iter().map(|size| {
                    let start = next;
                    next += size;
                    (start..next).collect()
                });
                by_class(labels, &order, &places.collect::<Vec<Vec<usize>>>())?
            }
            Steps::Places(places) => by_class(labels, &order, places)?,
        };
        if !matches!(steps, Steps::Data(_) | Steps::Iid(_)) {
            for (step, rows) in (0..).zip(&mut parts) {
                seed.stream("stream rows", step).rng().shuffle(rows);
            }
        }
        let mut seen = BTreeSet::new();
        let of_rows = |(step, rows): (usize, Vec<usize>)| {
            if rows.is_empty() {
                return Err(StreamError::EmptyStep { step });
            }
            let classes: BTreeSet<u32> = rows.iter().map(|&row| labels[row]).collect();
            let new_classes = classes.difference(&seen).copied().collect();
            seen.extend(&classes);
            Ok(Step { rows, classes: classes.into_iter().collect(), new_classes })
        };
        Ok(Self { steps: parts.into_iter().enumerate().map(of_rows).collect::<Result<_, _>>()? })
    }

    /// The step that brings the class of each label; `None` for a class of no step.
    pub fn steps_of(&self, labels: &[u32]) -> Vec<Option<usize>> {
        let of_step = |label: u32| self.steps.iter().position(|step| step.new_classes.binary_search(&label).is_ok());
        labels.iter().map(|&label| of_step(label)).collect()
    }

    /// Number of labels of the classes that each step brings.
    pub fn counts(&self, labels: &[u32]) -> Vec<u64> {
        tally(self.steps.len(), self.steps_of(labels).into_iter())
    }
}

/// How often each step comes.
pub(crate) fn tally(steps: usize, places: impl Iterator<Item = Option<usize>>) -> Vec<u64> {
    let mut counts = vec![0; steps];
    places.flatten().for_each(|step| counts[step] += 1);
    counts
}

/// Parts that differ by at most one item.
fn contiguous(items: &[usize], parts: usize) -> Vec<Vec<usize>> {
    (0..parts).map(|part| items[part * items.len() / parts..(part + 1) * items.len() / parts].to_vec()).collect()
}

/// The rows of each step, class by class.
fn by_class(labels: &[u32], order: &[u32], steps: &[Vec<usize>]) -> Result<Vec<Vec<usize>>, StreamError> {
    let classes = order.len() as u32;
    if let Some(&place) = steps.iter().flatten().find(|&&place| place >= order.len()) {
        return Err(StreamError::Place { place, classes });
    }
    let found = steps.iter().flatten().collect::<BTreeSet<_>>().len();
    if found != order.len() {
        return Err(StreamError::Classes { found, classes });
    }
    let mut parts = vec![Vec::new(); steps.len()];
    for (place, &class) in order.iter().enumerate() {
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        let own: Vec<usize> = (0..steps.len()).filter(|&step| steps[step].contains(&place)).collect();
        for (step, rows) in own.iter().zip(contiguous(&rows, own.len())) {
            parts[*step].extend(rows);
        }
    }
    Ok(parts)
}

/// `2`, or `5x2` for five times 2.
fn sizes(input: &str) -> IResult<&str, Vec<usize>> {
    let repeated = map_opt((number, opt(preceded(char('x'), number))), |(first, size)| {
        let (times, size) = size.map_or((1, first), |size| (first, size));
        let range = 1..=LARGEST;
        (range.contains(&times) && range.contains(&size)).then(|| vec![size; times])
    });
    map(separated_list1(alt((char('+'), char(','))), repeated), |parts| parts.concat()).parse(input)
}

fn places(input: &str) -> IResult<&str, Vec<Vec<usize>>> {
    let step = || separated_list1(char(','), number);
    map((terminated(step(), char('|')), separated_list1(char('|'), step())), |(first, others)| {
        [vec![first], others].concat()
    })
    .parse(input)
}

impl FromStr for Steps {
    type Err = StreamError;

    fn from_str(text: &str) -> Result<Self, StreamError> {
        let parts = |name| preceded(tag(name), number);
        let parsed = all_consuming(alt((
            map(parts("data:"), Steps::Data),
            map(parts("iid:"), Steps::Iid),
            map(places, Steps::Places),
            map(sizes, Steps::Sizes),
        )))
        .parse(text);
        let valid = |steps: &Steps| match steps {
            Steps::Sizes(_) | Steps::Places(_) => true,
            Steps::Data(parts) | Steps::Iid(parts) => (1..=LARGEST).contains(parts),
        };
        match parsed {
            Ok((_, steps)) if valid(&steps) => Ok(steps),
            _ => Err(StreamError::UnknownSteps { text: text.to_owned() }),
        }
    }
}

dpnas_grammar::serde_as_text!(Steps);

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: &[usize]| items.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        match self {
            Self::Sizes(sizes) => f.write_str(&list(sizes)),
            Self::Places(steps) => f.write_str(&steps.iter().map(|step| list(step)).collect::<Vec<_>>().join("|")),
            Self::Data(parts) => write!(f, "data:{parts}"),
            Self::Iid(parts) => write!(f, "iid:{parts}"),
        }
    }
}
