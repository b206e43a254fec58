//! Where everything in the plot stands.

use crate::font::{self, width};
use crate::labels::{Anchor, Band, place};
use crate::legend;
use crate::scale::{Scale, Tick, epsilon_text, ticks};
use crate::series::PhaseEnd;
use crate::style;

/// Margin of the picture.
pub(crate) const EDGE: f64 = 10.0;
/// Length of a tick mark, and space between it and its text.
pub(crate) const MARK: f64 = 5.0;
pub(crate) const GAP: f64 = 4.0;
/// Space between panel and colour bar, and width of the bar.
const BAR_GAP: f64 = 20.0;
const BAR: f64 = 14.0;

pub(crate) const X_NAME: &str = "architecture";
pub(crate) const Y_NAME: &str = "reward (validation accuracy)";
pub(crate) const BAR_NAME: &str = "reward of one architecture";

/// A rectangle by its four sides, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Area {
    pub(crate) fn middle(&self) -> (f64, f64) {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }
}

/// The sample of an entry in the legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sample {
    Points,
    Average,
    PhaseEnd,
}

/// One entry of the legend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) sample: Sample,
    pub(crate) text: String,
    /// Left end of the sample, at half the height of the text.
    pub(crate) at: (f64, f64),
}

/// A name along an upright axis: font size and the point at the middle of its baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct UprightName {
    pub(crate) size: f64,
    pub(crate) at: (f64, f64),
}

/// Input of the layout.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    pub(crate) size: (f64, f64),
    pub(crate) title: &'a str,
    pub(crate) architectures: usize,
    pub(crate) rewards: (f64, f64),
    /// The largest reward itself, without the axis' margin.
    pub(crate) best: f64,
    pub(crate) ends: &'a [PhaseEnd],
    pub(crate) legend: [(Sample, String); 3],
}

/// Positions and texts of everything but the data.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) panel: Area,
    pub(crate) bar: Area,
    pub(crate) x: Scale,
    pub(crate) y: Scale,
    pub(crate) x_ticks: Vec<Tick>,
    pub(crate) y_ticks: Vec<Tick>,
    pub(crate) title: (String, (f64, f64)),
    pub(crate) x_name: (f64, f64),
    pub(crate) y_name: UprightName,
    pub(crate) bar_name: UprightName,
    pub(crate) bands: Band,
    pub(crate) legend: Vec<Entry>,
}

impl Layout {
    pub(crate) fn new(contents: Contents<'_>) -> Self {
        let (picture_width, picture_height) = contents.size;
        let (low, high) = contents.rewards;
        let mut y_ticks = ticks(low, high, (picture_height / 55.0) as usize);
        if contents.best <= 1.0 {
            y_ticks.retain(|tick| tick.value <= 1.0 + 1e-9); // no accuracy is above 1
        }
        let widest = y_ticks.iter().map(|tick| width(&tick.text, style::TICK)).fold(0.0, f64::max);
        let left = EDGE + style::NAME + 8.0 + widest + GAP + MARK;
        let right = picture_width - EDGE - style::NAME - 6.0 - widest - GAP - MARK - BAR - BAR_GAP;

        let last = contents.architectures as f64;
        let x = Scale { low: 0.0, high: last + (0.01 * last).max(1.0), from: left, to: right };
        let anchors: Vec<Anchor> = contents
            .ends
            .iter()
            .map(|end| Anchor { x: x.at(end.last as f64 + 0.5), text: epsilon_text(end.epsilon) })
            .collect();
        let beside_name = EDGE + (font::ASCENT + font::DESCENT) * style::NAME + 2.0;
        let bands = place(&anchors, beside_name, picture_width - 4.0);

        let title_height = if contents.title.is_empty() { EDGE } else { EDGE + style::TITLE + 12.0 };
        let (offsets, rows) = legend::rows(contents.legend.iter().map(|(_, text)| text.as_str()), right - left);
        let legend_top = picture_height - EDGE - rows as f64 * legend::ROW;
        let name_baseline = legend_top - 8.0 - font::DESCENT * style::NAME;
        let bottom = name_baseline - style::NAME - 3.0 - style::TICK - GAP - MARK;
        let panel = Area { left, top: title_height + bands.height(), right, bottom };

        let legend = contents
            .legend
            .into_iter()
            .zip(offsets)
            .map(|((sample, text), (dx, row))| Entry {
                sample,
                text,
                at: (left + dx, legend_top + (row as f64 + 0.5) * legend::ROW),
            })
            .collect();
        Self {
            bar: Area { left: right + BAR_GAP, right: right + BAR_GAP + BAR, ..panel },
            x,
            y: Scale { low, high, from: panel.bottom, to: panel.top },
            x_ticks: ticks(x.low, x.high, ((right - left) / 95.0) as usize),
            y_ticks,
            title: title(contents.title, picture_width, panel.middle().0),
            x_name: (panel.middle().0, name_baseline),
            y_name: upright_name(
                Y_NAME,
                EDGE + font::ASCENT * style::NAME,
                panel.middle().1,
                (title_height, picture_height - EDGE),
            ),
            bar_name: upright_name(
                BAR_NAME,
                picture_width - EDGE - font::DESCENT * style::NAME,
                panel.middle().1,
                (panel.top.min(panel.bottom - 60.0), panel.bottom),
            ),
            bands,
            panel,
            legend,
        }
    }
}

/// The title, cut to the picture's width and centred over the panel if the edges allow it.
pub(crate) fn title(text: &str, picture_width: f64, middle: f64) -> (String, (f64, f64)) {
    let text = font::fit(text, style::TITLE, picture_width - 2.0 * EDGE);
    let half = width(&text, style::TITLE) / 2.0;
    let x = middle.min(picture_width - EDGE - half).max(EDGE + half);
    (text, (x, EDGE + font::ASCENT * style::TITLE))
}

/// Centres a name on `middle` within `low..=high`, in smaller letters if it is too long.
pub(crate) fn upright_name(text: &str, x: f64, middle: f64, (low, high): (f64, f64)) -> UprightName {
    let size = style::NAME.min(style::NAME * (high - low) / width(text, style::NAME));
    let half = width(text, size) / 2.0;
    UprightName { size, at: (x, middle.min(high - half).max(low + half)) }
}
