//! Common parts of the pictures of a scoring: range, grid, frame, title and legend.

use crate::canvas::{Align, Canvas, Text};
use crate::font::{ASCENT, CAPITAL, width};
use crate::layout::{Area, EDGE, GAP, MARK, title, upright_name};
use crate::scale::{Scale, Tick, range_with_margin, ticks};
use crate::{legend, style};

/// Whether a value can be an accuracy.
pub(crate) fn is_accuracy(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

/// The range of an axis that shows these accuracies; `None` if there are none.
pub(crate) fn accuracy_range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|value| is_accuracy(*value))
        .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    match low <= high {
        false => None,
        true if high < 1e-9 => Some((0.0, 0.1)),
        true => Some(range_with_margin(low, high)),
    }
}

/// Ticks of an axis of accuracies: none is above 1.
pub(crate) fn accuracy_ticks((low, high): (f64, f64), most: usize) -> Vec<Tick> {
    let mut ticks = ticks(low, high, most);
    ticks.retain(|tick| tick.value <= 1.0 + 1e-9);
    ticks
}

/// White paper under everything.
pub(crate) fn draw_paper(canvas: &mut Canvas, width: u32, height: u32) {
    canvas.raw(&format!("<rect class=\"paper\" width=\"{width}\" height=\"{height}\" fill=\"{}\"/>", style::PAPER));
}

/// The frame of a panel with the marks and texts of the axis at its bottom.
pub(crate) fn draw_frame(canvas: &mut Canvas, panel: Area, x: &Scale, x_ticks: &[Tick]) {
    let (left, top, right, bottom) = (panel.left, panel.top, panel.right, panel.bottom);
    canvas.open("frame", &format!("fill=\"none\" stroke=\"{}\"", style::FRAME));
    canvas.path(&[(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]);
    for tick in x_ticks {
        let at = x.at(tick.value);
        canvas.path(&[(at, bottom), (at, bottom + MARK)]);
    }
    canvas.close();
    canvas.open("ticks", &format!("fill=\"{}\"", style::SOFT_INK));
    for tick in x_ticks {
        let at = (x.at(tick.value), bottom + MARK + GAP + CAPITAL * style::TICK);
        canvas.text(&level("x-tick", at, style::TICK, Align::Middle, &tick.text));
    }
    canvas.close();
}

/// The left edge of a panel whose axis has these ticks and a name.
pub(crate) fn y_axis_width(ticks: &[Tick]) -> f64 {
    let widest = ticks.iter().map(|tick| width(&tick.text, style::TICK)).fold(0.0, f64::max);
    EDGE + style::NAME + 8.0 + widest + GAP + MARK
}

/// The grid lines, texts and name of the axis at the left of a panel.
pub(crate) fn draw_y_axis(canvas: &mut Canvas, panel: Area, y: &Scale, y_ticks: &[Tick], name: &str) {
    canvas.open("grid", &format!("fill=\"none\" stroke=\"{}\"", style::GRID));
    for tick in y_ticks {
        let y = y.at(tick.value);
        canvas.path(&[(panel.left - MARK, y), (panel.right, y)]);
    }
    canvas.close();
    canvas.open("y-axis", &format!("fill=\"{}\"", style::SOFT_INK));
    for tick in y_ticks {
        let at = (panel.left - MARK - GAP, y.at(tick.value) + CAPITAL * style::TICK / 2.0);
        canvas.text(&level("y-tick", at, style::TICK, Align::End, &tick.text));
    }
    let place = upright_name(name, EDGE + ASCENT * style::NAME, panel.middle().1, (panel.top, panel.bottom));
    let text = level("y-name", place.at, place.size, Align::Middle, name);
    canvas.text(&Text { degrees: -90.0, ..text });
    canvas.close();
}

/// The title over a panel, and the name of the axis at its bottom.
pub(crate) fn draw_names(canvas: &mut Canvas, heading: &str, x_name: (&str, f64), panel: Area, picture_width: f64) {
    canvas.open("names", &format!("fill=\"{}\"", style::INK));
    let (heading, at) = title(heading, picture_width, picture_width / 2.0);
    if !heading.is_empty() {
        canvas.text(&level("title", at, style::TITLE, Align::Middle, &heading));
    }
    let (name, baseline) = x_name;
    canvas.text(&level("x-name", (panel.middle().0, baseline), style::NAME, Align::Middle, name));
    canvas.close();
}

/// Height above a panel that a title takes.
pub(crate) fn title_height(heading: &str) -> f64 {
    if heading.is_empty() { EDGE } else { EDGE + style::TITLE + 12.0 }
}

/// The text of an entry of a legend whose sample begins at `(x, y)`.
pub(crate) fn draw_entry(canvas: &mut Canvas, (x, y): (f64, f64), text: &str) {
    let at = (x + legend::SAMPLE + legend::SAMPLE_GAP, y + CAPITAL * style::LEGEND / 2.0);
    canvas.text(&level("legend-entry", at, style::LEGEND, Align::Start, text));
}

/// A horizontal text.
pub(crate) fn level<'a>(class: &'a str, at: (f64, f64), size: f64, align: Align, content: &'a str) -> Text<'a> {
    Text { class, at, size, align, degrees: 0.0, content }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_shows_every_accuracy_and_nothing_else() {
        let (low, high) = accuracy_range([0.5, f64::NAN, 0.9, 7.0, -1.0].into_iter()).unwrap();
        assert!(low > 0.4 && low < 0.5 && high > 0.9 && high < 1.0, "{low} {high}");
        assert_eq!(accuracy_range([f64::INFINITY].into_iter()), None);
        assert_eq!(accuracy_range([0.0, 0.0].into_iter()), Some((0.0, 0.1)));
        assert!(accuracy_ticks((0.2, 1.04), 8).iter().all(|tick| tick.value < 1.0 + 1e-6));
    }
}
