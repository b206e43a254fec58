//! Rewards against costs, and the front of architectures that no other beats in both.

use crate::canvas::Canvas;
use crate::colour::DISTINCT;
use crate::font::DESCENT;
use crate::frame::{
    accuracy_range, accuracy_ticks, draw_frame, draw_names, draw_paper, draw_y_axis, is_accuracy, y_axis_width,
};
use crate::layout::{Area, EDGE, GAP, MARK};
use crate::number::short;
use crate::scale::{Scale, Tick, ticks};
use crate::style;
use crate::svg::Svg;

/// Size of the picture, in pixels.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 400.0;
/// Largest number of drawn points that are not on the front.
const MOST_POINTS: usize = 2_000;

/// Indices of the points (cost, reward) on the Pareto front, the cheapest first: no other point has at most their cost and
/// at least their reward. Of equal points the first is on the front. A reward that is not a number never is.
pub fn pareto_front(points: &[(u64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).filter(|i| !points[*i].1.is_nan()).collect();
    order.sort_by(|&a, &b| points[a].0.cmp(&points[b].0).then(points[b].1.total_cmp(&points[a].1)).then(a.cmp(&b)));
    let mut best = f64::NEG_INFINITY;
    order.retain(|i| {
        let better = points[*i].1 > best;
        best = best.max(points[*i].1);
        better
    });
    order
}

/// Draws accuracies against costs on a logarithmic axis, with the front as a line of steps. Every point has a label by its
/// index. `None` if no reward is an accuracy.
pub(crate) fn front_plot(points: &[(u64, f64)], cost_name: &str, label: &dyn Fn(usize) -> String) -> Option<Svg> {
    let front = pareto_front(points);
    let (count, members) = (points.len(), front.len());
    let description =
        format!("Rewards of {count} architectures against their {cost_name}; {members} are on the front.");
    Scatter { points, marked: &front, steps: true, names: [cost_name, "reward"], description, label }.draw()
}

/// Draws test accuracies of single architectures, as (features, accuracy), and a line through those of an ensemble's first
/// members. `None` if nothing is an accuracy.
pub fn ensemble_plot(singles: &[(u64, f64)], sizes: &[(u64, f64)]) -> Option<Svg> {
    let points = [singles, sizes].concat();
    let marked: Vec<usize> = (singles.len()..points.len()).collect();
    let description =
        format!("Test accuracy of {} single architectures, and of an ensemble as it grows.", singles.len());
    let label = |i: usize| {
        let (features, accuracy) = points[i];
        let what = if i < singles.len() { "one architecture" } else { "ensemble" };
        format!("{what}\ntest accuracy {accuracy:.4}, {} features", short(features))
    };
    let names = ["features", "test accuracy"];
    Scatter { points: &points, marked: &marked, steps: false, names, description, label: &label }.draw()
}

/// Accuracies against costs.
struct Scatter<'a> {
    points: &'a [(u64, f64)],
    /// Indices of the points of the line, in its order.
    marked: &'a [usize],
    /// Whether the line goes in steps and on to the right.
    steps: bool,
    /// Of the cost and the accuracy.
    names: [&'a str; 2],
    description: String,
    label: &'a dyn Fn(usize) -> String,
}

impl Scatter<'_> {
    fn draw(&self) -> Option<Svg> {
        let Self { points, marked, steps, names: [cost_name, accuracy_name], .. } = *self;
        let range = accuracy_range(points.iter().map(|point| point.1))?;
        let mut others: Vec<usize> =
            (0..points.len()).filter(|i| is_accuracy(points[*i].1) && !marked.contains(i)).collect();
        others = others.iter().copied().step_by(others.len().div_ceil(MOST_POINTS).max(1)).collect();

        let y_ticks = accuracy_ticks(range, 8);
        let name_baseline = HEIGHT - EDGE - DESCENT * style::NAME;
        let bottom = name_baseline - style::NAME - 3.0 - style::TICK - GAP - MARK;
        let panel = Area { left: y_axis_width(&y_ticks), top: EDGE, right: WIDTH - EDGE - 16.0, bottom };
        let costs = || points.iter().map(|point| log(point.0));
        let (low, high) = (costs().fold(f64::MAX, f64::min) - 0.1, costs().fold(f64::MIN, f64::max) + 0.1);
        let x = Scale { low, high, from: panel.left, to: panel.right };
        let y = Scale { low: range.0, high: range.1, from: panel.bottom, to: panel.top };
        let at = |(cost, reward): (u64, f64)| (x.at(log(cost)), y.at(reward));

        let name = format!("{accuracy_name} and {cost_name}");
        let mut canvas = Canvas::new(WIDTH as u32, HEIGHT as u32, &name, &self.description);
        draw_paper(&mut canvas, WIDTH as u32, HEIGHT as u32);
        draw_y_axis(&mut canvas, panel, &y, &y_ticks, accuracy_name);
        draw_frame(&mut canvas, panel, &x, &log_ticks(low, high));
        draw_names(&mut canvas, "", (&format!("{cost_name} (logarithmic)"), name_baseline), panel, WIDTH);
        canvas.open("front", &format!("fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"", DISTINCT[1]));
        let mut line: Vec<(f64, f64)> = Vec::new();
        for place in marked.iter().map(|i| at(points[*i])) {
            line.extend(line.last().filter(|_| steps).map(|last| (place.0, last.1)));
            line.push(place);
        }
        line.extend(line.last().filter(|_| steps).map(|last| (panel.right, last.1)));
        canvas.path(&line);
        canvas.close();
        canvas.open("points", &format!("stroke=\"{}\" stroke-width=\"0.5\"", style::PAPER));
        // In the order of their costs, in which the arrow keys walk.
        let mut drawn: Vec<(usize, f64, &str)> = others.iter().map(|i| (*i, 2.6, DISTINCT[4])).collect();
        drawn.extend(marked.iter().map(|i| (*i, 4.2, DISTINCT[1])));
        drawn.sort_by_key(|(i, ..)| points[*i].0);
        for (i, radius, colour) in drawn {
            canvas.point(at(points[i]), radius, colour, &(self.label)(i));
        }
        canvas.close();
        Some(Svg::new(canvas.finish()))
    }
}

fn log(cost: u64) -> f64 {
    (cost.max(1) as f64).log10()
}

/// Ticks at 1, 2 and 5 times the powers of ten, at the powers alone on a long axis; at round numbers on a short one.
fn log_ticks(low: f64, high: f64) -> Vec<Tick> {
    let digits: &[f64] = if high - low > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let powers = low.floor() as i32..=high.floor() as i32;
    let mut values: Vec<f64> =
        powers.flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power))).collect();
    if high - low < 1.0 {
        values = ticks(10f64.powf(low), 10f64.powf(high), 4).into_iter().map(|tick| tick.value).collect();
    }
    let tick =
        |value: f64| Tick { value: value.log10(), text: short(value as u64).replace(".00", "").replace(".0 ", " ") };
    values.into_iter().map(tick).filter(|tick| (low..=high).contains(&tick.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_front_is_what_nothing_beats_in_both() {
        let points = [(5, 0.7), (1, 0.5), (3, 0.5), (3, 0.6), (9, 0.7), (3, 0.6), (2, f64::NAN), (8, 0.9)];
        assert_eq!(pareto_front(&points), [1, 3, 0, 7]);
        assert!(pareto_front(&[]).is_empty());
    }

    #[test]
    fn ticks_of_costs_are_round_and_readable() {
        let texts = |low: f64, high: f64| log_ticks(low, high).into_iter().map(|tick| tick.text).collect::<Vec<_>>();
        assert_eq!(texts(3.2, 5.1), ["2000", "5000", "10 k", "20 k", "50 k", "100 k"]);
        assert_eq!(texts(4.9, 9.3), ["100 k", "1 M", "10 M", "100 M", "1 G"]);
        assert_eq!(texts(5.3, 5.5), ["200 k", "250 k", "300 k"]);
    }

    #[test]
    fn an_ensemble_is_a_line_beside_single_architectures() {
        let svg = ensemble_plot(&[(500, 0.7), (900, 0.72)], &[(800, 0.71), (1600, 0.75)]).unwrap();
        assert_eq!(svg.as_str().matches("<circle").count(), 4);
        assert!(svg.as_str().contains("ensemble\ntest accuracy 0.7500, 1600 features"));
        assert!(ensemble_plot(&[], &[]).is_none());
    }

    proptest! {
        #[test]
        fn each_point_is_on_the_front_or_beaten(points in prop::collection::vec((0u64..30, (0u32..20).prop_map(f64::from)), 0..60)) {
            let front = pareto_front(&points);
            for (i, point) in points.iter().enumerate() {
                let beats = |j: &usize| points[*j].0 <= point.0 && points[*j].1 >= point.1 && (points[*j] != *point || *j < i);
                prop_assert_eq!(front.contains(&i), !(0..points.len()).any(|j| beats(&j)));
            }
        }

        #[test]
        fn any_costs_have_ticks_within_their_axis(low in 0.0f64..15.0, span in 0.2f64..10.0) {
            let ticks = log_ticks(low, low + span);
            prop_assert!(ticks.len() >= 2 || low < 1.0, "{ticks:?}");
        }
    }
}
