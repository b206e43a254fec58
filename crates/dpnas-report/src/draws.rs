//! The rewards of several draws of each architecture: the figure of hypotheses H2 and H3.

use crate::canvas::{Align, Canvas, escape};
use crate::colour::palette;
use crate::draws_layout::{DrawsLayout, Line, NAME};
use crate::font::{self, CAPITAL};
use crate::frame::{
    accuracy_range, accuracy_ticks, draw_entry, draw_frame, draw_names, draw_paper, is_accuracy, level,
};
use crate::svg::Svg;
use crate::{legend, style};

/// Largest number of points of one architecture and series.
const MOST_POINTS: usize = 400;

/// A picture of the rewards of architectures, a row each, under several draws of their weights.
///
/// Each draw is a point on its row; a bar spans the interval of the mean and a stroke stands at the mean. A second
/// series, such as the fully trained encoder, has its own line in the row and its own colour. Meant for some dozens of
/// architectures; the picture is as high as they need.
///
/// # Source
/// SPEC §1, H2 and H3.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawsPlot {
    /// The line above the panel; cut if it is too long, left out if it is empty.
    pub title: String,
    /// Name of the axis.
    pub measure: String,
    /// Width of the picture, in pixels; taken as 480 if smaller and 8,000 if larger.
    pub width: u32,
    /// Names of the series that each architecture has, in order, such as "random encoder".
    pub series: Vec<String>,
    /// Groups of architectures, from top to bottom.
    pub groups: Vec<DrawGroup>,
}

/// Architectures under one heading.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawGroup {
    /// The heading; left out if it is empty.
    pub name: String,
    /// The architectures, from top to bottom.
    pub nets: Vec<NetDraws>,
}

/// One architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct NetDraws {
    /// Its text; cut if it is too long.
    pub name: String,
    /// Its reward in the search, as a fraction.
    pub searched: Option<f64>,
    /// One for each series of the plot.
    pub series: Vec<Draws>,
}

/// The draws of one architecture in one series. Values outside 0 to 1 are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draws {
    /// The reward of each draw, as a fraction.
    pub values: Vec<f64>,
    /// The confidence interval of their mean, cut to 0 and 1.
    pub interval: Option<(f64, f64)>,
}

impl Draws {
    fn accuracies(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().copied().filter(|value| is_accuracy(*value))
    }

    /// The interval within the range of accuracies.
    fn shown_interval(&self) -> Option<(f64, f64)> {
        let (low, high) = self.interval.filter(|(low, high)| low <= high && *high >= 0.0 && *low <= 1.0)?;
        Some((low.max(0.0), high.min(1.0)))
    }

    fn mean(&self) -> Option<f64> {
        let count = self.accuracies().count();
        (count > 0).then(|| self.accuracies().sum::<f64>() / count as f64)
    }
}

impl NetDraws {
    fn extent(&self) -> impl Iterator<Item = f64> + '_ {
        let intervals = self.series.iter().filter_map(Draws::shown_interval).flat_map(|(low, high)| [low, high]);
        self.series.iter().flat_map(Draws::accuracies).chain(intervals).chain(self.searched)
    }
}

impl DrawsPlot {
    /// A picture 960 pixels wide of rewards; series and groups are still to be given.
    pub fn titled(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            measure: "reward (validation accuracy)".to_owned(),
            width: 960,
            series: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// Draws it; `None` if no architecture has a value from 0 to 1.
    pub fn draw(&self) -> Option<Svg> {
        let nets = || self.groups.iter().flat_map(|group| &group.nets);
        nets().flat_map(|net| &net.series).find_map(Draws::mean)?;
        let range = accuracy_range(nets().flat_map(NetDraws::extent))?;
        let layout = DrawsLayout::new(self, range, &self.legend());
        let (width, height) = (layout.width, layout.height);
        let name = if self.title.trim().is_empty() { "Rewards of several draws" } else { self.title.trim() };
        let mut canvas = Canvas::new(width as u32, height as u32, name, &self.description());
        draw_paper(&mut canvas, width as u32, height as u32);
        let ticks = accuracy_ticks(range, ((layout.panel.right - layout.panel.left) / 70.0) as usize);
        draw_bands(&mut canvas, &layout);
        canvas.open("grid", &format!("fill=\"none\" stroke=\"{}\"", style::GRID));
        for tick in &ticks {
            let x = layout.x.at(tick.value);
            canvas.path(&[(x, layout.panel.top), (x, layout.panel.bottom)]);
        }
        canvas.close();
        for line in &layout.lines {
            self.draw_line(&mut canvas, &layout, line);
        }
        draw_frame(&mut canvas, layout.panel, &layout.x, &ticks);
        draw_names(&mut canvas, self.title.trim(), (&layout.measure, layout.name_baseline), layout.panel, width);
        self.draw_legend(&mut canvas, &layout);
        Some(Svg::new(canvas.finish()))
    }

    /// Entries of the legend, in order.
    fn legend(&self) -> Vec<(Sign, String)> {
        let nets = || self.groups.iter().flat_map(|group| &group.nets);
        let mut entries: Vec<(Sign, String)> =
            self.series.iter().enumerate().map(|(i, series)| (Sign::Series(i), series.clone())).collect();
        if nets().flat_map(|net| &net.series).any(|draws| draws.shown_interval().is_some()) {
            entries.push((Sign::Interval, "mean with its 95 % interval".to_owned()));
        }
        if nets().any(|net| net.searched.is_some_and(is_accuracy)) {
            entries.push((Sign::Searched, "reward in the search".to_owned()));
        }
        entries
    }

    fn description(&self) -> String {
        let nets = || self.groups.iter().flat_map(|group| &group.nets);
        let draws: usize = nets().flat_map(|net| &net.series).map(|draws| draws.accuracies().count()).sum();
        format!("Rewards of {} architectures under {draws} draws of their weights in all.", nets().count())
    }

    /// One architecture: its name, its draws, and its reward in the search.
    fn draw_line(&self, canvas: &mut Canvas, layout: &DrawsLayout, line: &Line<'_>) {
        let net = line.net;
        canvas.open("net", &format!("fill=\"{}\"", style::SOFT_INK));
        canvas.raw(&format!("<title>{}</title>", escape(&net.name)));
        let at = (layout.panel.left - 10.0, line.middle + CAPITAL * NAME / 2.0);
        canvas.text(&level("net-name", at, NAME, Align::End, &font::fit(&net.name, NAME, layout.name_room)));
        if let Some(searched) = net.searched.filter(|value| is_accuracy(*value)) {
            canvas.open("searched", &format!("stroke=\"{}\" stroke-width=\"1.2\"", style::LEADER));
            let x = layout.x.at(searched);
            let y = line.series(0, self.series.len());
            canvas.path(&[(x, y - 9.0), (x, y + 9.0)]);
            canvas.close();
        }
        for (index, draws) in net.series.iter().enumerate().take(self.series.len()) {
            let y = line.series(index, self.series.len());
            draw_series(canvas, layout, draws, y, &palette(index, self.series.len()));
        }
        canvas.close();
    }

    fn draw_legend(&self, canvas: &mut Canvas, layout: &DrawsLayout) {
        canvas.open("legend", &format!("fill=\"{}\"", style::SOFT_INK));
        for (sign, text, (x, y)) in &layout.legend {
            let (left, right) = (*x, x + legend::SAMPLE);
            match sign {
                Sign::Series(index) => {
                    let colour = palette(*index, self.series.len());
                    canvas.open("sample", "fill-opacity=\"0.75\"");
                    for part in [0.2, 0.5, 0.8] {
                        canvas.dot((left + part * legend::SAMPLE, *y), 3.0, &colour);
                    }
                    canvas.close();
                }
                Sign::Interval => draw_interval(canvas, (left, right), (left + right) / 2.0, *y, style::FRAME),
                Sign::Searched => {
                    canvas.open("sample", &format!("stroke=\"{}\" stroke-width=\"1.2\"", style::LEADER));
                    canvas.path(&[((left + right) / 2.0, y - 7.0), ((left + right) / 2.0, y + 7.0)]);
                    canvas.close();
                }
            }
            draw_entry(canvas, (*x, *y), text);
        }
        canvas.close();
    }
}

/// The sign that an entry of the legend explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Series(usize),
    Interval,
    Searched,
}

/// The heading and the shade of each group.
fn draw_bands(canvas: &mut Canvas, layout: &DrawsLayout) {
    for band in &layout.bands {
        canvas.open("band", &format!("fill=\"{}\"", style::BAND));
        canvas.rectangle((0.0, band.top), (layout.width, band.bottom));
        canvas.close();
    }
    canvas.open("headings", &format!("fill=\"{}\"", style::INK));
    for (text, at) in &layout.headings {
        canvas.text(&level("heading", *at, style::LEGEND, Align::Start, text));
    }
    canvas.close();
}

fn draw_series(canvas: &mut Canvas, layout: &DrawsLayout, draws: &Draws, y: f64, colour: &str) {
    if let (Some((low, high)), Some(mean)) = (draws.shown_interval(), draws.mean()) {
        draw_interval(canvas, (layout.x.at(low), layout.x.at(high)), layout.x.at(mean), y, colour);
    }
    let values: Vec<f64> = draws.accuracies().collect();
    canvas.open("draws", "fill-opacity=\"0.75\"");
    for value in values.iter().step_by(values.len().div_ceil(MOST_POINTS).max(1)) {
        canvas.dot((layout.x.at(*value), y), 3.0, colour);
    }
    canvas.close();
}

/// A bar over the interval with a stroke at the mean.
fn draw_interval(canvas: &mut Canvas, (low, high): (f64, f64), mean: f64, y: f64, colour: &str) {
    canvas.open("interval", &format!("fill=\"{colour}\" fill-opacity=\"0.22\""));
    canvas.rectangle((low, y - 4.5), (high, y + 4.5));
    canvas.close();
    canvas.open("mean", &format!("stroke=\"{colour}\" stroke-width=\"2\""));
    canvas.path(&[(mean, y - 6.0), (mean, y + 6.0)]);
    canvas.close();
}
