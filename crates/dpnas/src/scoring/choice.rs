//! Choosing architectures of a replay buffer to score again.

use crate::ReplayRow;
use dpnas_grammar::{Net, ParseError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;

/// Number of architectures in a group.
const SIZE: usize = 6;

/// Rank of an architecture among those of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Among the lowest rewards.
    Low,
    /// Around the middle.
    Middle,
    /// Among the highest rewards.
    Top,
    /// Named by the caller.
    Given,
    /// An ensemble, named by its first member.
    Ensemble,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Middle => "middle",
            Self::Top => "top",
            Self::Given => "given",
            Self::Ensemble => "ensemble",
        })
    }
}

/// An architecture to score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The architecture.
    pub net: Net,
    /// Its rank among those of the search.
    pub group: Group,
    /// Its row in the replay buffer, if it comes from one.
    pub searched: Option<Searched>,
}

/// Row and reward of an architecture in a replay buffer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Searched {
    /// Number of its row in the replay buffer, from 0.
    pub row: usize,
    /// Its reward there, as a fraction.
    pub reward: f64,
}

impl Target {
    /// An architecture named by the caller.
    pub fn given(net: Net) -> Self {
        Self { net, group: Group::Given, searched: None }
    }
}

/// Why a replay buffer gives no architectures to score.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChoiceError {
    /// No row has a reward above 0.
    #[error("none of the {rows} rows of the replay buffer has a reward above 0: there is no architecture to score")]
    NothingScored {
        /// Number of rows.
        rows: usize,
    },
    /// The replay buffer has no row with this number.
    #[error("there is no row {index}: the replay buffer has {rows} rows{}", range(*.rows))]
    NoSuchRow {
        /// The requested number.
        index: usize,
        /// Number of rows.
        rows: usize,
    },
    /// The architecture of a row does not parse.
    #[error("row {row} of the replay buffer has no architecture that can be read")]
    Net {
        /// Number of the row, from 0.
        row: usize,
        /// What is wrong with it.
        source: ParseError,
    },
}

fn range(rows: usize) -> String {
    match rows {
        0 => String::new(),
        rows => format!(", 0 to {}", rows - 1),
    }
}

/// The lowest, middle and highest architectures of a replay buffer, sorted by reward.
///
/// Rows with reward 0 are dropped. The others are sorted by reward; rows with equal rewards stay in the order of the
/// file. Then only the last row of each architecture is kept. Of the remaining `n` rows, the choice is the 6 lowest,
/// the 6 from ⌈n/2⌉ − 3 on and the 6 highest. If fewer than 18 remain, all are chosen, in three groups of nearly equal
/// size.
///
/// # Errors
/// If no row has a reward above 0, or the architecture of such a row does not parse.
///
/// # Source
/// SPEC §8.
pub fn fixed_nets(rows: &[ReplayRow]) -> Result<Vec<Target>, ChoiceError> {
    let mut nets = Vec::new();
    for (row, found) in rows.iter().enumerate().filter(|(_, found)| found.reward() > 0.0) {
        nets.push((parse(row, found)?, Searched { row, reward: found.reward() }));
    }
    if nets.is_empty() {
        return Err(ChoiceError::NothingScored { rows: rows.len() });
    }
    nets.sort_by(|(_, a), (_, b)| a.reward.total_cmp(&b.reward));
    let last: HashMap<Net, usize> = nets.iter().enumerate().map(|(place, (net, _))| (net.clone(), place)).collect();
    let mut place = 0..nets.len();
    nets.retain(|(net, _)| place.next() == last.get(net).copied());
    let n = nets.len();
    let group = |rank: usize| match n < 3 * SIZE {
        true => Some([Group::Low, Group::Middle, Group::Top][(2 * rank + 1) * 3 / (2 * n)]),
        false => {
            let middle = n.div_ceil(2) - SIZE / 2;
            let groups = [(Group::Low, 0), (Group::Middle, middle), (Group::Top, n - SIZE)];
            groups.into_iter().find(|(_, from)| (*from..from + SIZE).contains(&rank)).map(|(group, _)| group)
        }
    };
    let ranked = nets.into_iter().enumerate();
    Ok(ranked
        .filter_map(|(rank, (net, searched))| Some(Target { net, group: group(rank)?, searched: Some(searched) }))
        .collect())
}

/// The architecture of one row, counted from 0.
///
/// # Errors
/// If there is no such row, or its architecture does not parse.
///
/// # Source
/// SPEC §8.
pub fn target_of_row(rows: &[ReplayRow], index: usize) -> Result<Target, ChoiceError> {
    let found = rows.get(index).ok_or(ChoiceError::NoSuchRow { index, rows: rows.len() })?;
    let searched = Searched { row: index, reward: found.reward() };
    Ok(Target { net: parse(index, found)?, group: Group::Given, searched: Some(searched) })
}

fn parse(row: usize, found: &ReplayRow) -> Result<Net, ChoiceError> {
    found.net.parse().map_err(|source| ChoiceError::Net { row, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metrics;
    use proptest::prelude::*;

    fn row(features: u32, reward: f64) -> ReplayRow {
        let score = Metrics {
            reward,
            train_flag: true,
            valid_accuracy: vec![reward],
            train_accuracy: vec![reward],
            test_accuracy: reward,
            test_accuracies: Vec::new(),
        };
        ReplayRow {
            epsilon: 1.0,
            net: format!("[C({features},3,1,1,1), SM(10)]"),
            metrics: (reward > 0.0).then_some(score),
        }
    }

    fn buffer(nets: usize) -> Vec<ReplayRow> {
        (0..nets).map(|i| row(i as u32 + 1, (i as f64 + 1.0) / 200.0)).collect()
    }

    /// Group and row of each chosen architecture.
    fn places(rows: &[ReplayRow]) -> Vec<(Group, usize)> {
        fixed_nets(rows).unwrap().iter().map(|target| (target.group, target.searched.unwrap().row)).collect()
    }

    #[test]
    fn six_of_each_group_are_chosen() {
        let at = |group, from| (from..from + 6).map(move |row| (group, row));
        for (nets, middle, top) in [(18, 6, 12), (19, 7, 13), (48, 21, 42), (49, 22, 43)] {
            let expected: Vec<_> =
                at(Group::Low, 0).chain(at(Group::Middle, middle)).chain(at(Group::Top, top)).collect();
            assert_eq!(places(&buffer(nets)), expected, "{nets}");
        }
    }

    #[test]
    fn fewer_than_eighteen_are_all_taken_in_three_groups() {
        let sizes = |nets: usize| {
            let places = places(&buffer(nets));
            assert_eq!(places.len(), nets);
            [Group::Low, Group::Middle, Group::Top].map(|group| places.iter().filter(|place| place.0 == group).count())
        };
        assert_eq!(sizes(17), [6, 5, 6]);
        assert_eq!(sizes(9), [3, 3, 3]);
        assert_eq!(sizes(3), [1, 1, 1]);
        assert_eq!(sizes(2), [1, 0, 1]);
        assert_eq!(sizes(1), [0, 1, 0]);
    }

    #[test]
    fn a_row_is_taken_by_its_number_and_one_past_the_end_is_named_with_the_range() {
        let rows = [row(1, 0.5), row(2, 0.0)];
        let target = target_of_row(&rows, 1).unwrap();
        assert_eq!(target.net.to_string(), "[C(2,3,1,1,1), SM(10)]");
        assert_eq!((target.group, target.searched), (Group::Given, Some(Searched { row: 1, reward: 0.0 })));
        let message = |rows: &[ReplayRow], index| target_of_row(rows, index).unwrap_err().to_string();
        assert_eq!(message(&rows, 2), "there is no row 2: the replay buffer has 2 rows, 0 to 1");
        assert_eq!(message(&[], 0), "there is no row 0: the replay buffer has 0 rows");
    }

    #[test]
    fn a_row_that_does_not_parse_is_named_unless_its_reward_is_0() {
        let mut rows = buffer(3);
        rows[1].net = "[GAP(3), SM(10)]".to_owned();
        let error = fixed_nets(&rows).unwrap_err();
        assert_eq!(error.to_string(), "row 1 of the replay buffer has no architecture that can be read");
        rows[1].metrics = None;
        assert_eq!(fixed_nets(&rows).unwrap().len(), 2);
        let error = fixed_nets(&[row(1, 0.0)]).unwrap_err();
        assert!(error.to_string().starts_with("none of the 1 rows"), "{error}");
    }

    /// The description, word by word.
    fn oracle(rows: &[ReplayRow]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].reward() != 0.0).collect();
        for i in 1..order.len() {
            let mut j = i;
            while j > 0 && rows[order[j - 1]].reward() > rows[order[j]].reward() {
                order.swap(j - 1, j);
                j -= 1;
            }
        }
        let kept: Vec<usize> = (0..order.len())
            .filter(|&i| order[i + 1..].iter().all(|&later| rows[later].net != rows[order[i]].net))
            .map(|i| order[i])
            .collect();
        if kept.len() < 18 {
            return kept;
        }
        let middle = (kept.len() as f64 / 2.0).ceil() as usize - 3;
        [&kept[..6], &kept[middle..middle + 6], &kept[kept.len() - 6..]].concat()
    }

    proptest! {
        #[test]
        fn the_choice_is_that_of_the_description(
            rows in prop::collection::vec((1u32..40, 0u32..60), 1..120),
        ) {
            let rows: Vec<ReplayRow> = rows.into_iter().map(|(net, reward)| row(net, f64::from(reward) / 60.0)).collect();
            let expected = oracle(&rows);
            match fixed_nets(&rows) {
                Ok(targets) => {
                    let found: Vec<usize> = targets.iter().map(|target| target.searched.unwrap().row).collect();
                    prop_assert_eq!(found, expected);
                    for target in &targets {
                        let searched = target.searched.unwrap();
                        prop_assert_eq!(target.net.to_string(), rows[searched.row].net.clone());
                        prop_assert_eq!(searched.reward, rows[searched.row].reward());
                    }
                    prop_assert!(targets.windows(2).all(|pair| pair[0].group <= pair[1].group));
                }
                Err(error) => {
                    let nothing = matches!(error, ChoiceError::NothingScored { .. });
                    prop_assert!(nothing && expected.is_empty());
                }
            }
        }
    }
}
