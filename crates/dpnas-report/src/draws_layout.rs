//! Where everything in the figure of several draws stands.

use crate::draws::{DrawsPlot, NetDraws, Sign};
use crate::font::{self, CAPITAL, DESCENT, width};
use crate::frame::title_height;
use crate::layout::{Area, EDGE, GAP, MARK};
use crate::scale::Scale;
use crate::{legend, style};

/// Font size of the architectures, in pixels.
pub(crate) const NAME: f64 = 10.5;

/// Height of a heading, and of the line of a series in a row.
const HEADING: f64 = 22.0;
const SERIES: f64 = 16.0;
/// Space above and below the series of a row, and below a group.
const ROW_MARGIN: f64 = 3.0;
const GROUP_GAP: f64 = 6.0;
/// Largest share of the picture's width that the architectures' names take.
const NAME_SHARE: f64 = 0.42;

/// The row of one architecture.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) net: &'a NetDraws,
    pub(crate) middle: f64,
}

impl Line<'_> {
    /// The middle of the line of one of `count` series.
    pub(crate) fn series(&self, index: usize, count: usize) -> f64 {
        self.middle + (index as f64 - (count as f64 - 1.0) / 2.0) * SERIES
    }
}

/// A group's rows, from the heading on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Band {
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

/// Positions and texts of everything but the draws themselves.
#[derive(Debug)]
pub(crate) struct DrawsLayout<'a> {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) panel: Area,
    pub(crate) x: Scale,
    pub(crate) lines: Vec<Line<'a>>,
    /// Every second group, drawn shaded.
    pub(crate) bands: Vec<Band>,
    pub(crate) headings: Vec<(String, (f64, f64))>,
    /// Most pixels of an architecture's name.
    pub(crate) name_room: f64,
    pub(crate) measure: String,
    pub(crate) name_baseline: f64,
    pub(crate) legend: Vec<(Sign, String, (f64, f64))>,
}

impl<'a> DrawsLayout<'a> {
    pub(crate) fn new(plot: &'a DrawsPlot, (low, high): (f64, f64), legend: &[(Sign, String)]) -> Self {
        let picture_width = f64::from(plot.width.clamp(480, 8000));
        let names = plot.groups.iter().flat_map(|group| &group.nets).map(|net| width(&net.name, NAME));
        let name_room = names.fold(0.0, f64::max).min(NAME_SHARE * picture_width).ceil();
        let right = picture_width - EDGE - 16.0;
        let left = (EDGE + name_room + 10.0).max(EDGE + 60.0);

        let top = title_height(plot.title.trim());
        let row = plot.series.len().max(1) as f64 * SERIES + 2.0 * ROW_MARGIN;
        let mut y = top;
        let (mut lines, mut bands, mut headings) = (Vec::new(), Vec::new(), Vec::new());
        for (index, group) in plot.groups.iter().enumerate() {
            let start = y;
            let heading = group.name.trim();
            if heading.is_empty() {
                y += GROUP_GAP;
            } else {
                let text = font::fit(heading, style::LEGEND, left - EDGE - 6.0);
                headings.push((text, (EDGE, y + HEADING / 2.0 + CAPITAL * style::LEGEND / 2.0)));
                y += HEADING;
            }
            for net in &group.nets {
                lines.push(Line { net, middle: y + row / 2.0 });
                y += row;
            }
            y += GROUP_GAP;
            if index % 2 == 0 && plot.groups.len() > 1 {
                bands.push(Band { top: start, bottom: y });
            }
        }
        let panel = Area { left, top, right, bottom: y };
        let name_baseline = y + MARK + GAP + style::TICK + 3.0 + style::NAME;
        let legend_top = name_baseline + DESCENT * style::NAME + 8.0;
        // Long names narrow the panel, so the measure is cut and the legend wrapped.
        let texts: Vec<String> = legend
            .iter()
            .map(|(_, text)| {
                font::fit(text, style::LEGEND, picture_width - 2.0 * EDGE - legend::SAMPLE - legend::SAMPLE_GAP)
            })
            .collect();
        let (offsets, rows) = legend::rows(texts.iter().map(String::as_str), picture_width - 2.0 * EDGE);
        let entries = legend.iter().zip(texts).zip(offsets).map(|(((sign, _), text), (dx, row))| {
            (*sign, text, (EDGE + dx, legend_top + (row as f64 + 0.5) * legend::ROW))
        });
        Self {
            width: picture_width,
            height: (legend_top + rows as f64 * legend::ROW + EDGE).ceil(),
            x: Scale { low, high, from: left, to: right },
            lines,
            bands,
            headings,
            name_room,
            measure: font::fit(plot.measure.trim(), style::NAME, measure_room(picture_width, panel)),
            name_baseline,
            legend: entries.collect(),
            panel,
        }
    }
}

/// Largest width of a text centred under the panel and inside the picture.
fn measure_room(picture_width: f64, panel: Area) -> f64 {
    let middle = panel.middle().0;
    2.0 * (picture_width - EDGE - middle).min(middle - EDGE)
}
