//! The reward plot.

use crate::average::moving_average;
use crate::canvas::{Align, Canvas, Text, number};
use crate::colour::{stops, viridis};
use crate::labels;
use crate::layout::{self, Contents, Entry, Layout, Sample};
use crate::scale::range_with_margin;
use crate::series::{PhaseEnd, RewardPoint, phase_ends, stride, thin_line};
use crate::svg::Svg;
use crate::{font, legend, style};

/// How a reward plot looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlotOptions {
    /// The line above the panel; cut if it is too long, left out if it is empty.
    pub title: String,
    /// Width of the picture, in pixels; taken as 480 if smaller and 8,000 if larger.
    pub width: u32,
    /// Height of the picture, in pixels; taken as 360 if smaller and 8,000 if larger.
    pub height: u32,
    /// Rewards in the moving average; taken as 1 if 0.
    pub window: usize,
}

impl PlotOptions {
    /// A picture of 960×540 pixels with the published window of 20 rewards.
    ///
    /// # Source
    /// SPEC §13.
    pub fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), width: 960, height: 540, window: 20 }
    }
}

/// Draws the rewards of a search: the moving average as a line, each architecture as a point in the colour of its own
/// reward, and a dashed line where each ε of the schedule ends.
///
/// Points are the rows of the replay buffer in order. Rows with reward 0 (rejected), or whose reward or ε is negative,
/// infinite or not a number, are left out and do not count as architectures. `None` until there are more of the others
/// than the window. The last ε ends with the data.
///
/// The average and its line use every reward. Of more than 8,000 architectures every second, third, … is drawn as a
/// point, and the legend says which.
///
/// # Source
/// SPEC §13.
pub fn reward_plot(points: &[RewardPoint], options: &PlotOptions) -> Option<Svg> {
    let counted: Vec<RewardPoint> = points.iter().filter(|point| point.counts()).copied().collect();
    labelled_reward_plot(&counted, options, &|_| String::new())
}

/// As [`reward_plot`], of points that all count, each with a label by its index.
pub(crate) fn labelled_reward_plot(
    points: &[RewardPoint],
    options: &PlotOptions,
    label: &dyn Fn(usize) -> String,
) -> Option<Svg> {
    let window = options.window.max(1);
    if points.len() <= window {
        return None;
    }
    let (width, height) = (options.width.clamp(480, 8000), options.height.clamp(360, 8000));
    let rewards: Vec<f64> = points.iter().map(|point| point.reward).collect();
    let lowest = rewards.iter().copied().fold(f64::MAX, f64::min);
    let best = rewards.iter().copied().fold(f64::MIN, f64::max);
    let ends = phase_ends(points);
    let every = stride(points.len());
    let layout = Layout::new(Contents {
        size: (f64::from(width), f64::from(height)),
        title: options.title.trim(),
        architectures: points.len(),
        rewards: range_with_margin(lowest, best),
        best,
        ends: &ends,
        legend: [
            (Sample::Points, format!("reward of one architecture{}", which(every))),
            (Sample::Average, format!("mean of the last {window} rewards")),
            (Sample::PhaseEnd, "end of an ε".to_owned()),
        ],
    });

    let name = if options.title.trim().is_empty() { "Rewards" } else { options.title.trim() };
    let mut canvas = Canvas::new(width, height, name, &description(points, window, best));
    canvas.raw(&format!("<rect class=\"paper\" width=\"{width}\" height=\"{height}\" fill=\"{}\"/>", style::PAPER));
    draw_axes(&mut canvas, &layout);
    draw_phases(&mut canvas, &layout, &ends);
    draw_points(&mut canvas, &layout, &rewards, every, label);
    draw_average(&mut canvas, &layout, &rewards, window);
    draw_bar(&mut canvas, &layout);
    draw_names(&mut canvas, &layout);
    draw_legend(&mut canvas, &layout);
    Some(Svg::new(canvas.finish()))
}

fn which(every: usize) -> String {
    if every == 1 { String::new() } else { format!(" (1 in {every} shown)") }
}

fn description(points: &[RewardPoint], window: usize, best: f64) -> String {
    format!(
        "Rewards of {} architectures in the order of the search, with the moving average over {window}; the best is {best:.4}.",
        points.len()
    )
}

fn draw_axes(canvas: &mut Canvas, layout: &Layout) {
    let panel = layout.panel;
    canvas.open("grid", &format!("fill=\"none\" stroke=\"{}\"", style::GRID));
    for tick in &layout.y_ticks {
        let y = layout.y.at(tick.value);
        canvas.path(&[(panel.left, y), (panel.right, y)]);
    }
    canvas.close();
    canvas.open("frame", &format!("fill=\"none\" stroke=\"{}\"", style::FRAME));
    let (left, top, right, bottom) = (panel.left, panel.top, panel.right, panel.bottom);
    canvas.path(&[(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]);
    for tick in &layout.x_ticks {
        let x = layout.x.at(tick.value);
        canvas.path(&[(x, bottom), (x, bottom + layout::MARK)]);
    }
    for tick in &layout.y_ticks {
        let y = layout.y.at(tick.value);
        canvas.path(&[(left - layout::MARK, y), (left, y)]);
    }
    canvas.close();
    canvas.open("ticks", &format!("fill=\"{}\"", style::SOFT_INK));
    for tick in &layout.x_ticks {
        let at = (layout.x.at(tick.value), bottom + layout::MARK + layout::GAP + font::CAPITAL * style::TICK);
        canvas.text(&tick_text("x-tick", at, Align::Middle, &tick.text));
    }
    for tick in &layout.y_ticks {
        let y = layout.y.at(tick.value) + font::CAPITAL * style::TICK / 2.0;
        canvas.text(&tick_text("y-tick", (left - layout::MARK - layout::GAP, y), Align::End, &tick.text));
    }
    canvas.close();
}

fn tick_text<'a>(class: &'a str, at: (f64, f64), align: Align, content: &'a str) -> Text<'a> {
    Text { class, at, size: style::TICK, align, degrees: 0.0, content }
}

fn draw_phases(canvas: &mut Canvas, layout: &Layout, ends: &[PhaseEnd]) {
    let panel = layout.panel;
    // Lines on the same tenth of a pixel are one line.
    let mut xs: Vec<f64> = ends.iter().map(|end| layout.x.at(end.last as f64 + 0.5)).collect();
    xs.dedup_by_key(|x| (*x * 10.0).round());
    let (colour, dashes, width) = (style::PHASE, style::DASHES, style::phase_width(xs.len()));
    canvas.open(
        "phase-ends",
        &format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-dasharray=\"{dashes}\""),
    );
    for x in xs {
        canvas.path(&[(x, panel.bottom), (x, panel.top)]);
    }
    canvas.close();
    canvas.open("leaders", &format!("fill=\"none\" stroke=\"{}\"", style::LEADER));
    for label in &layout.bands.labels {
        let foot = panel.top - labels::LEADER;
        canvas.path(&[
            (label.anchor, panel.top),
            (label.anchor, panel.top - 3.0),
            (label.x, foot + 3.0),
            (label.x, foot + 1.0),
        ]);
    }
    canvas.close();
    canvas.open("epsilons", &format!("fill=\"{}\"", style::INK));
    let turn = layout.bands.turn;
    let (dx, dy) = turn.baseline();
    for label in &layout.bands.labels {
        canvas.text(&Text {
            class: "epsilon",
            at: (label.x + dx, panel.top - labels::LEADER + dy),
            size: labels::SIZE,
            align: if turn == labels::Turn::Level { Align::Middle } else { Align::Start },
            degrees: turn.degrees(),
            content: &label.text,
        });
    }
    canvas.close();
}

fn draw_points(canvas: &mut Canvas, layout: &Layout, rewards: &[f64], every: usize, label: &dyn Fn(usize) -> String) {
    let radius = style::radius(rewards.len());
    canvas.open(
        "points",
        &format!("fill-opacity=\"0.85\" stroke=\"{}\" stroke-opacity=\"0.3\" stroke-width=\"0.5\"", style::INK),
    );
    for (i, reward) in rewards.iter().enumerate().step_by(every) {
        let at = (layout.x.at((i + 1) as f64), layout.y.at(*reward));
        canvas.point(at, radius, &viridis(layout.y.share(*reward)), &label(i));
    }
    canvas.close();
}

fn draw_average(canvas: &mut Canvas, layout: &Layout, rewards: &[f64], window: usize) {
    let line: Vec<(f64, f64)> = moving_average(rewards, window)
        .into_iter()
        .enumerate()
        .map(|(i, mean)| (layout.x.at((i + window) as f64), layout.y.at(mean)))
        .collect();
    let line = thin_line(&line, 0.25);
    let width = style::average_width(rewards.len());
    for (class, colour, width) in [("halo", style::PAPER, width + 1.4), ("average", style::INK, width)] {
        canvas.open(
            class,
            &format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linejoin=\"round\""),
        );
        canvas.path(&line);
        canvas.close();
    }
}

fn draw_bar(canvas: &mut Canvas, layout: &Layout) {
    let bar = layout.bar;
    canvas.raw("<defs><linearGradient id=\"dpnas-rewards\" x1=\"0\" y1=\"1\" x2=\"0\" y2=\"0\">");
    for (offset, colour) in stops() {
        canvas.raw(&format!("<stop offset=\"{offset}\" stop-color=\"{colour}\"/>"));
    }
    canvas.raw("</linearGradient></defs>");
    let [left, top, width, height] = [bar.left, bar.top, bar.right - bar.left, bar.bottom - bar.top].map(number);
    canvas.raw(&format!(
        "<rect class=\"colour-bar\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" \
         fill=\"url(#dpnas-rewards)\" stroke=\"{}\"/>",
        style::FRAME
    ));
    canvas.open("bar-marks", &format!("fill=\"none\" stroke=\"{}\"", style::FRAME));
    for tick in &layout.y_ticks {
        let y = layout.y.at(tick.value);
        canvas.path(&[(bar.right, y), (bar.right + layout::MARK, y)]);
    }
    canvas.close();
    canvas.open("bar-ticks", &format!("fill=\"{}\"", style::SOFT_INK));
    for tick in &layout.y_ticks {
        let y = layout.y.at(tick.value) + font::CAPITAL * style::TICK / 2.0;
        canvas.text(&tick_text("bar-tick", (bar.right + layout::MARK + layout::GAP, y), Align::Start, &tick.text));
    }
    canvas.close();
}

fn draw_names(canvas: &mut Canvas, layout: &Layout) {
    canvas.open("names", &format!("fill=\"{}\"", style::INK));
    let (title, at) = &layout.title;
    let middle =
        Text { class: "title", at: *at, size: style::TITLE, align: Align::Middle, degrees: 0.0, content: title };
    if !title.is_empty() {
        canvas.text(&middle);
    }
    canvas.text(&Text { class: "x-name", at: layout.x_name, size: style::NAME, content: layout::X_NAME, ..middle });
    for (class, name, content) in
        [("y-name", layout.y_name, layout::Y_NAME), ("bar-name", layout.bar_name, layout::BAR_NAME)]
    {
        canvas.text(&Text { class, at: name.at, size: name.size, degrees: -90.0, content, ..middle });
    }
    canvas.close();
}

fn draw_legend(canvas: &mut Canvas, layout: &Layout) {
    canvas.open("legend", &format!("fill=\"{}\"", style::SOFT_INK));
    for Entry { sample, text, at: (x, y) } in &layout.legend {
        let line = [(*x, *y), (x + legend::SAMPLE, *y)];
        match sample {
            Sample::Points => {
                for (share, part) in [(0.15, 0.2), (0.5, 0.5), (0.85, 0.8)] {
                    canvas.dot((x + part * legend::SAMPLE, *y), 3.2, &viridis(share));
                }
            }
            Sample::Average => {
                canvas.open("sample", &format!("fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"", style::INK));
                canvas.path(&line);
                canvas.close();
            }
            Sample::PhaseEnd => {
                let attributes =
                    format!("fill=\"none\" stroke=\"{}\" stroke-dasharray=\"{}\"", style::PHASE, style::DASHES);
                canvas.open("sample", &attributes);
                canvas.path(&line);
                canvas.close();
            }
        }
        canvas.text(&Text {
            class: "legend-entry",
            at: (x + legend::SAMPLE + legend::SAMPLE_GAP, y + font::CAPITAL * style::LEGEND / 2.0),
            size: style::LEGEND,
            align: Align::Start,
            degrees: 0.0,
            content: text,
        });
    }
    canvas.close();
}
