//! Placing the ε labels above the panel so that none covers another.
//!
//! Labels are level if they fit side by side, turned by 45° if the lines are closer, and by 90° if they are closer
//! still. Each label moves as little as possible from its line, and a leader joins the two. A label that would move too
//! far is left out; its line stays.

use crate::font::{ASCENT, CAPITAL, DESCENT, width};

/// Font size of the labels, in pixels.
pub(crate) const SIZE: f64 = 11.0;

/// Height of the leaders between the panel and the labels.
pub(crate) const LEADER: f64 = 15.0;

/// How far labels are turned against the reading direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Side by side, centred above their lines.
    Level,
    /// Rising by 45° to the right.
    Slanted,
    /// Rising by 90°.
    Upright,
}

/// A dashed line that wants a label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Anchor {
    /// Pixel of the line.
    pub(crate) x: f64,
    /// Text of the label.
    pub(crate) text: String,
}

/// A placed label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Label {
    /// Pixel of the labelled line.
    pub(crate) anchor: f64,
    /// Pixel where the leader meets the label.
    pub(crate) x: f64,
    /// Text of the label.
    pub(crate) text: String,
}

/// All labels, one turn for all of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Band {
    pub(crate) turn: Turn,
    pub(crate) labels: Vec<Label>,
}

impl Turn {
    /// Angle of the text, in degrees as SVG counts them.
    pub(crate) fn degrees(self) -> f64 {
        match self {
            Self::Level => 0.0,
            Self::Slanted => -45.0,
            Self::Upright => -90.0,
        }
    }

    /// How far a label may stand from its line, in pixels.
    fn patience(self) -> f64 {
        match self {
            Self::Level => 10.0,
            Self::Slanted => 16.0,
            Self::Upright => 36.0,
        }
    }

    /// Least distance between the places of two neighbours with these texts.
    fn distance(self, left: &str, right: &str) -> f64 {
        let line = (ASCENT + DESCENT) * SIZE + 1.0;
        match self {
            Self::Level => (width(left, SIZE) + width(right, SIZE)) / 2.0 + 10.0,
            Self::Slanted => line * std::f64::consts::SQRT_2,
            Self::Upright => line,
        }
    }

    /// How far a label reaches to the left and right of its place, and above it.
    fn reach(self, text: &str) -> (f64, f64, f64) {
        let (long, line) = (width(text, SIZE), (ASCENT + DESCENT) * SIZE);
        match self {
            Self::Level => (long / 2.0, long / 2.0, line),
            Self::Slanted => {
                (line, (long + line) * std::f64::consts::FRAC_1_SQRT_2, (long + line) * std::f64::consts::FRAC_1_SQRT_2)
            }
            Self::Upright => (line, line, long),
        }
    }

    /// From a label's place to the start (or, if level, the middle) of its baseline, so that the leader points at the
    /// text's middle.
    pub(crate) fn baseline(self) -> (f64, f64) {
        let half = CAPITAL * SIZE / 2.0;
        match self {
            Self::Level => (0.0, -DESCENT * SIZE),
            Self::Slanted => (half * std::f64::consts::FRAC_1_SQRT_2 + 1.0, -1.0),
            Self::Upright => (half, -2.0),
        }
    }
}

impl Band {
    /// Height above the panel, leaders included; 0 without labels.
    pub(crate) fn height(&self) -> f64 {
        let tallest = self.labels.iter().map(|label| self.turn.reach(&label.text).2).fold(0.0, f64::max);
        if self.labels.is_empty() { 0.0 } else { LEADER + tallest + 3.0 }
    }
}

/// Places labels for lines in ascending order; no label leaves `left..=right`.
pub(crate) fn place(anchors: &[Anchor], left: f64, right: f64) -> Band {
    let turns = [Turn::Level, Turn::Slanted, Turn::Upright].map(|turn| (turn, 0.0));
    let gaps = [1.0, 2.0, 3.0, 5.0, 8.0, 11.0].map(|gap| (Turn::Upright, gap));
    let whole = Turn::Upright.distance("", "");
    for (turn, gap) in turns.into_iter().chain(gaps).chain([(Turn::Upright, whole), (Turn::Upright, 2.0 * whole)]) {
        let kept = thin(anchors, gap);
        if let Some(labels) = place_all(turn, &kept, left, right) {
            return Band { turn, labels };
        }
    }
    Band { turn: Turn::Upright, labels: Vec::new() }
}

/// The anchors that are at least `gap` apart, counted from the last.
fn thin(anchors: &[Anchor], gap: f64) -> Vec<Anchor> {
    let mut kept: Vec<Anchor> = Vec::new();
    for anchor in anchors.iter().rev() {
        if kept.last().is_none_or(|next| next.x - anchor.x >= gap) {
            kept.push(anchor.clone());
        }
    }
    kept.reverse();
    kept
}

/// Places every label, or none if one would stand too far from its line.
fn place_all(turn: Turn, anchors: &[Anchor], left: f64, right: f64) -> Option<Vec<Label>> {
    // More labels than pixels cannot fit: no need to measure thousands of texts.
    if anchors.len() as f64 > right - left {
        return None;
    }
    let (Some(first), Some(last)) = (anchors.first(), anchors.last()) else { return Some(Vec::new()) };
    // Where each label stands if all of them stand as close to the first as they can.
    let mut packed = vec![0.0];
    for pair in anchors.windows(2) {
        packed.push(packed[packed.len() - 1] + turn.distance(&pair[0].text, &pair[1].text));
    }
    let low = left + turn.reach(&first.text).0;
    let high = right - turn.reach(&last.text).1 - packed[packed.len() - 1];
    if low > high {
        return None;
    }
    let wishes: Vec<f64> = anchors.iter().zip(&packed).map(|(anchor, packed)| anchor.x - packed).collect();
    let shifts = isotonic(&wishes);
    let places = shifts.iter().zip(&packed).map(|(shift, packed)| shift.clamp(low, high) + packed);
    let labels: Vec<Label> =
        places.zip(anchors).map(|(x, anchor)| Label { anchor: anchor.x, x, text: anchor.text.clone() }).collect();
    labels.iter().all(|label| (label.x - label.anchor).abs() <= turn.patience()).then_some(labels)
}

/// The ascending sequence with the least squared distance from `wishes` (pool adjacent violators).
fn isotonic(wishes: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for wish in wishes {
        let (mut sum, mut count) = (*wish, 1);
        while let Some((before, members)) = pools.last().copied() {
            if before / members as f64 <= sum / count as f64 {
                break;
            }
            pools.pop();
            (sum, count) = (sum + before, count + members);
        }
        pools.push((sum, count));
    }
    pools.into_iter().flat_map(|(sum, count)| std::iter::repeat_n(sum / count as f64, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn anchors(xs: &[f64]) -> Vec<Anchor> {
        xs.iter().map(|x| Anchor { x: *x, text: "ε = 0.5".to_owned() }).collect()
    }

    #[test]
    fn few_labels_stand_level_above_their_lines() {
        let band = place(&anchors(&[200.0, 400.0, 600.0]), 0.0, 900.0);
        assert_eq!(band.turn, Turn::Level);
        assert!(band.labels.iter().all(|label| label.x == label.anchor));
    }

    #[test]
    fn the_published_schedule_leans() {
        let xs: Vec<f64> = [1500, 1600, 1700, 1800, 1900, 2000, 2100, 2200, 2300, 2400, 2403]
            .map(|last| 60.0 + 750.0 * f64::from(last) / 2427.0)
            .to_vec();
        let band = place(&anchors(&xs), 0.0, 900.0);
        assert_eq!((band.turn, band.labels.len()), (Turn::Slanted, 11));
    }

    #[test]
    fn crowded_lines_lose_labels_but_the_last_keeps_its_own() {
        let xs: Vec<f64> = (0..300).map(|i| 100.0 + f64::from(i) * 0.7).collect();
        let band = place(&anchors(&xs), 0.0, 900.0);
        assert_eq!(band.turn, Turn::Upright);
        assert!(band.labels.len() >= 10 && band.labels.len() < 30, "{}", band.labels.len());
        assert_eq!(band.labels[band.labels.len() - 1].anchor, xs[299]);
    }

    #[test]
    fn no_lines_need_no_band() {
        assert_eq!(place(&[], 0.0, 900.0).height(), 0.0);
    }

    proptest! {
        #[test]
        fn labels_keep_their_distance_and_their_bounds(mut xs in prop::collection::vec(60.0f64..800.0, 1..80)) {
            xs.sort_by(f64::total_cmp);
            let band = place(&anchors(&xs), 4.0, 900.0);
            prop_assert!(!band.labels.is_empty());
            let least = band.turn.distance("ε = 0.5", "ε = 0.5") - 1e-6;
            prop_assert!(band.labels.windows(2).all(|pair| pair[1].x - pair[0].x >= least));
            for label in &band.labels {
                let (left, right, _) = band.turn.reach(&label.text);
                prop_assert!(label.x - left >= 4.0 - 1e-6 && label.x + right <= 900.0 + 1e-6);
                prop_assert!((label.x - label.anchor).abs() <= band.turn.patience());
            }
        }

        /// The oracle is the minimax formula of isotonic regression.
        #[test]
        fn pooling_is_the_least_squares_solution(wishes in prop::collection::vec(-100.0f64..100.0, 1..30)) {
            let mean = |from: usize, to: usize| wishes[from..=to].iter().sum::<f64>() / (to - from + 1) as f64;
            for (i, value) in isotonic(&wishes).into_iter().enumerate() {
                let best = (0..=i)
                    .map(|from| (i..wishes.len()).map(|to| mean(from, to)).fold(f64::MAX, f64::min))
                    .fold(f64::MIN, f64::max);
                prop_assert!((value - best).abs() < 1e-9, "{} {}", value, best);
            }
        }
    }
}
