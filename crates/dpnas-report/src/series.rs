//! Data of the reward plot: rewards, the ends of each ε, and a selection of points for long runs.

/// One row of the replay buffer, in its order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RewardPoint {
    /// The ε of the architecture.
    pub epsilon: f64,
    /// Its reward, as a fraction; 0 for a rejected architecture.
    pub reward: f64,
}

impl RewardPoint {
    /// Whether the row is drawn: ε is finite, and the reward is neither 0 nor negative, infinite or not a number
    /// (nor beyond 1e100 or below 1e-100, where an axis has no meaning).
    pub(crate) fn counts(&self) -> bool {
        self.epsilon.is_finite() && (1e-100..=1e100).contains(&self.reward)
    }
}

/// The end of one ε: the last of its architectures before another ε, or before the end of the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PhaseEnd {
    pub(crate) epsilon: f64,
    /// Number of the last architecture, counted from 1.
    pub(crate) last: usize,
}

/// Where each ε ends; the last one ends with the data.
pub(crate) fn phase_ends(points: &[RewardPoint]) -> Vec<PhaseEnd> {
    let ends = |i: usize| points.get(i + 1).is_none_or(|next| next.epsilon != points[i].epsilon);
    (0..points.len()).filter(|i| ends(*i)).map(|i| PhaseEnd { epsilon: points[i].epsilon, last: i + 1 }).collect()
}

/// Largest number of drawn points.
pub(crate) const MOST_POINTS: usize = 8_000;

/// The stride that leaves at most [`MOST_POINTS`] points; 1 keeps all.
pub(crate) fn stride(points: usize) -> usize {
    points.div_ceil(MOST_POINTS).max(1)
}

/// A line with fewer vertices and the same picture: within each column of `column` pixels it keeps the first, the
/// lowest, the highest and the last.
pub(crate) fn thin_line(line: &[(f64, f64)], column: f64) -> Vec<(f64, f64)> {
    let index = |x: f64| (x / column).floor() as i64;
    let by_height = |a: &usize, b: &usize| line[*a].1.total_cmp(&line[*b].1);
    let mut kept = Vec::new();
    let mut start = 0;
    while start < line.len() {
        let here = index(line[start].0);
        let end = start + line[start..].iter().take_while(|(x, _)| index(*x) == here).count();
        let mut corners = vec![start, end - 1];
        corners.extend((start..end).min_by(by_height));
        corners.extend((start..end).max_by(by_height));
        corners.sort_unstable();
        corners.dedup();
        kept.extend(corners.into_iter().map(|i| line[i]));
        start = end;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_without_a_usable_reward_are_not_drawn() {
        let row = |epsilon, reward| RewardPoint { epsilon, reward };
        assert!(row(0.0, 0.4).counts() && row(1.0, 1.0).counts());
        for bad in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 5e-324] {
            assert!(!row(1.0, bad).counts(), "{bad}");
        }
        assert!(!row(f64::NAN, 0.5).counts() && !row(f64::INFINITY, 0.5).counts());
    }

    #[test]
    fn each_change_of_epsilon_and_the_end_of_the_data_end_a_phase() {
        let points = [1.0, 1.0, 0.5, 0.0, 0.0, 0.0].map(|epsilon| RewardPoint { epsilon, reward: 0.5 });
        let ends: Vec<(f64, usize)> = phase_ends(&points).iter().map(|end| (end.epsilon, end.last)).collect();
        assert_eq!(ends, [(1.0, 2), (0.5, 3), (0.0, 6)]);
        assert!(phase_ends(&[]).is_empty());
    }

    #[test]
    fn long_runs_draw_a_bounded_number_of_points() {
        assert_eq!(stride(0), 1);
        assert_eq!(stride(MOST_POINTS), 1);
        assert_eq!(stride(MOST_POINTS + 1), 2);
        assert_eq!(stride(100_000), 13);
    }

    proptest! {
        #[test]
        fn a_thinned_line_covers_the_same_columns_from_bottom_to_top(
            heights in prop::collection::vec(0.0f64..100.0, 1..400),
            per_pixel in 1usize..60,
        ) {
            let line: Vec<(f64, f64)> =
                heights.iter().enumerate().map(|(i, y)| (i as f64 / per_pixel as f64, *y)).collect();
            let thin = thin_line(&line, 1.0);
            prop_assert!(thin.len() <= 4 * (line.len().div_ceil(per_pixel) + 1));
            prop_assert_eq!((thin[0], thin[thin.len() - 1]), (line[0], line[line.len() - 1]));
            let extent = |line: &[(f64, f64)], column: i64| {
                let inside = || line.iter().filter(move |(x, _)| x.floor() as i64 == column).map(|(_, y)| *y);
                (inside().fold(f64::MAX, f64::min), inside().fold(f64::MIN, f64::max))
            };
            for column in 0..=line[line.len() - 1].0 as i64 {
                prop_assert_eq!(extent(&thin, column), extent(&line, column));
            }
        }
    }
}
