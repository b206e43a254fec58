//! Learning curves: accuracies after each epoch.

use crate::canvas::Canvas;
use crate::colour::palette;
use crate::font::{self, DESCENT};
use crate::frame::{
    accuracy_range, accuracy_ticks, draw_entry, draw_frame, draw_names, draw_paper, draw_y_axis, is_accuracy,
    title_height, y_axis_width,
};
use crate::layout::{Area, EDGE, GAP, MARK};
use crate::scale::{Scale, Tick, ticks};
use crate::series::thin_line;
use crate::svg::Svg;
use crate::{legend, style};

/// Height of the panel, in pixels.
const PANEL: f64 = 340.0;
/// Largest number of architectures in one column of the legend.
const ONE_COLUMN: usize = 6;

/// A picture of learning curves: a colour for each architecture, a stroke for each kind. The legend stands below the
/// panel, so that it covers no line.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvesPlot {
    /// The line above the panel; cut if it is too long, left out if it is empty.
    pub title: String,
    /// What is counted from left to right, from 1.
    pub x_name: String,
    /// What the curves show; if empty, the accuracy of their images.
    pub y_name: String,
    /// Width of the picture, in pixels; taken as 480 if smaller and 8,000 if larger.
    pub width: u32,
    /// The architectures, or other things with curves.
    pub groups: Vec<CurveGroup>,
}

/// The curves of one architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveGroup {
    /// Its name in the legend; cut if it is too long.
    pub name: String,
    /// One curve for each kind and draw.
    pub curves: Vec<Curve>,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The images.
    pub kind: CurveKind,
    /// The accuracy after each epoch, as a fraction. Values outside 0 to 1 are left out.
    pub values: Vec<f64>,
    /// An interval about each value, drawn as a band; may be empty.
    pub band: Vec<(f64, f64)>,
}

/// The images whose accuracy a curve shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CurveKind {
    /// Validation images: a solid line.
    Valid,
    /// Training images: a dashed line.
    Train,
    /// Test images: a dotted line.
    Test,
}

impl CurveKind {
    const ALL: [Self; 3] = [Self::Valid, Self::Train, Self::Test];

    fn name(self) -> &'static str {
        match self {
            Self::Valid => "validation",
            Self::Train => "training",
            Self::Test => "test",
        }
    }

    fn dashes(self) -> &'static str {
        match self {
            Self::Valid => "",
            Self::Train => " stroke-dasharray=\"6 3\"",
            Self::Test => " stroke-dasharray=\"1.5 2.5\"",
        }
    }
}

impl Curve {
    /// A curve without a band.
    pub fn new(kind: CurveKind, values: Vec<f64>) -> Self {
        Self { kind, values, band: Vec::new() }
    }

    /// Epoch, from 1, and value, without values outside 0 to 1.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let numbered = self.values.iter().enumerate().map(|(i, value)| ((i + 1) as f64, *value));
        numbered.filter(|(_, value)| is_accuracy(*value))
    }
}

impl CurvesPlot {
    /// A picture 960 pixels wide without architectures; the fields are public.
    pub fn titled(title: impl Into<String>) -> Self {
        let (x_name, y_name) = ("epoch".to_owned(), String::new());
        Self { title: title.into(), x_name, y_name, width: 960, groups: Vec::new() }
    }

    /// Draws it; `None` if no curve has a value from 0 to 1.
    pub fn draw(&self) -> Option<Svg> {
        let groups: Vec<&CurveGroup> = self
            .groups
            .iter()
            .filter(|group| group.curves.iter().any(|curve| curve.points().next().is_some()))
            .collect();
        let curves = || groups.iter().flat_map(|group| &group.curves);
        let range = accuracy_range(curves().flat_map(Curve::points).map(|(_, value)| value))?;
        let epochs = curves().map(|curve| curve.values.len()).max().unwrap_or(1) as f64;
        let kinds: Vec<CurveKind> = CurveKind::ALL
            .into_iter()
            .filter(|kind| curves().any(|curve| curve.kind == *kind && curve.points().next().is_some()))
            .collect();
        let layout = Layout::new(self, &groups, &kinds, range, epochs);
        let (width, height) = (layout.width as u32, layout.height as u32);
        let name = if self.title.trim().is_empty() { "Learning curves" } else { self.title.trim() };
        let description = format!("Curves of accuracy: {}; {}s: {epochs}.", groups.len(), self.x_name);
        let mut canvas = Canvas::new(width, height, name, &description);
        draw_paper(&mut canvas, width, height);
        let y_name = match (self.y_name.trim(), &kinds[..]) {
            ("", [CurveKind::Valid]) => "validation accuracy",
            ("", [CurveKind::Test]) => "test accuracy",
            ("", _) => "accuracy",
            (name, _) => name,
        };
        draw_y_axis(&mut canvas, layout.panel, &layout.y, &layout.y_ticks, y_name);
        for (index, group) in groups.iter().enumerate() {
            let stroke = if groups.iter().map(|group| group.curves.len()).sum::<usize>() > 24 { 1.1 } else { 1.7 };
            let colour = palette(index, groups.len());
            for curve in &group.curves {
                // Dashes tell kinds apart.
                let dashes = if kinds.len() > 1 { curve.kind.dashes() } else { "" };
                layout.draw_curve(&mut canvas, curve, &colour, stroke, dashes);
            }
        }
        draw_frame(&mut canvas, layout.panel, &layout.x, &layout.x_ticks);
        draw_names(&mut canvas, self.title.trim(), (&self.x_name, layout.name_baseline), layout.panel, layout.width);
        layout.draw_legend(&mut canvas, &kinds);
        Some(Svg::new(canvas.finish()))
    }
}

/// Positions of everything but the curves.
struct Layout {
    width: f64,
    height: f64,
    panel: Area,
    x: Scale,
    y: Scale,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    name_baseline: f64,
    /// Where the sample of each kind begins.
    kinds: Vec<(f64, f64)>,
    /// Name, colour and place of each architecture in the legend.
    names: Vec<(String, String, (f64, f64))>,
}

impl Layout {
    fn new(plot: &CurvesPlot, groups: &[&CurveGroup], kinds: &[CurveKind], range: (f64, f64), epochs: f64) -> Self {
        let picture_width = f64::from(plot.width.clamp(480, 8000));
        let y_ticks = accuracy_ticks(range, 9);
        let (left, right) = (y_axis_width(&y_ticks), picture_width - EDGE - 16.0);
        let top = title_height(plot.title.trim());
        let panel = Area { left, top, right, bottom: top + PANEL };
        let margin = (0.02 * epochs).max(0.5);
        let x = Scale { low: (1.0 - margin).max(0.0), high: epochs + margin, from: left, to: right };
        let mut x_ticks = ticks(x.low, x.high, ((right - left) / 95.0) as usize);
        x_ticks.retain(|tick| tick.value >= 0.5 && (tick.value - tick.value.round()).abs() < 1e-6);
        for tick in &mut x_ticks {
            tick.text = format!("{:.0}", tick.value);
        }

        let name_baseline = panel.bottom + MARK + GAP + style::TICK + 3.0 + style::NAME;
        let mut y = name_baseline + DESCENT * style::NAME + 8.0;
        let mut kind_places = Vec::new();
        if kinds.len() > 1 {
            let (offsets, rows) = legend::rows(kinds.iter().map(|kind| kind.name()), picture_width - 2.0 * EDGE);
            let place = |(dx, row): (f64, usize)| (EDGE + dx, y + (row as f64 + 0.5) * legend::ROW);
            kind_places = offsets.into_iter().map(place).collect();
            y += rows as f64 * legend::ROW + 4.0;
        }
        let columns = if groups.len() > ONE_COLUMN && picture_width >= 800.0 { 2 } else { 1 };
        let column_width = (picture_width - EDGE - left) / columns as f64;
        let rows = groups.len().div_ceil(columns);
        let place = |i: usize| (left + (i / rows) as f64 * column_width, y + ((i % rows) as f64 + 0.5) * legend::ROW);
        let room = column_width - legend::SAMPLE - legend::SAMPLE_GAP - 12.0;
        let entry = |(i, group): (usize, &&CurveGroup)| {
            (font::fit(group.name.trim(), style::LEGEND, room), palette(i, groups.len()), place(i))
        };
        let names = groups.iter().enumerate().map(entry).collect();
        Self {
            width: picture_width,
            height: (y + rows as f64 * legend::ROW + EDGE).ceil(),
            x,
            y: Scale { low: range.0, high: range.1, from: panel.bottom, to: panel.top },
            x_ticks,
            y_ticks,
            name_baseline,
            kinds: kind_places,
            names,
            panel,
        }
    }

    fn draw_curve(&self, canvas: &mut Canvas, curve: &Curve, colour: &str, stroke: f64, dashes: &str) {
        let line: Vec<(f64, f64)> = curve.points().map(|(epoch, value)| (self.x.at(epoch), self.y.at(value))).collect();
        let ends = |end: fn(&(f64, f64)) -> f64| -> Vec<(f64, f64)> {
            let numbered = curve.band.iter().enumerate();
            numbered
                .map(|(i, band)| (self.x.at((i + 1) as f64), self.y.at(end(band).clamp(self.y.low, self.y.high))))
                .collect()
        };
        if curve.band.len() > 1 {
            canvas.open("band", &format!("fill=\"{colour}\" fill-opacity=\"0.15\""));
            let back = ends(|band| band.0).into_iter().rev();
            canvas.path(&ends(|band| band.1).into_iter().chain(back).collect::<Vec<_>>());
            canvas.close();
        }
        canvas.open(
            curve.kind.name(),
            &format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"{stroke}\" stroke-linejoin=\"round\"{dashes}"),
        );
        match line[..] {
            [] => {}
            [point] => canvas.dot(point, 2.5, colour),
            _ => canvas.path(&thin_line(&line, 0.25)),
        }
        canvas.close();
    }

    fn draw_legend(&self, canvas: &mut Canvas, kinds: &[CurveKind]) {
        canvas.open("legend", &format!("fill=\"{}\"", style::SOFT_INK));
        let sample = |canvas: &mut Canvas, (x, y): (f64, f64), colour: &str, dashes: &str| {
            canvas.open("sample", &format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}"));
            canvas.path(&[(x, y), (x + legend::SAMPLE, y)]);
            canvas.close();
        };
        for (kind, at) in kinds.iter().zip(&self.kinds) {
            sample(canvas, *at, style::INK, kind.dashes());
            draw_entry(canvas, *at, kind.name());
        }
        for (name, colour, at) in &self.names {
            sample(canvas, *at, colour, "");
            draw_entry(canvas, *at, name);
        }
        canvas.close();
    }
}
