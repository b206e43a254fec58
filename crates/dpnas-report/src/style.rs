//! Colours and sizes of the plot, in one place.

pub(crate) const PAPER: &str = "#ffffff";
pub(crate) const INK: &str = "#1b1f24";
pub(crate) const SOFT_INK: &str = "#3d444d";
pub(crate) const FRAME: &str = "#6e7781";
pub(crate) const GRID: &str = "#e9ecef";
pub(crate) const BAND: &str = "#f6f8fa";
pub(crate) const PHASE: &str = "#57606a";
pub(crate) const LEADER: &str = "#8c959f";

/// Font sizes, in pixels.
pub(crate) const TITLE: f64 = 16.0;
pub(crate) const NAME: f64 = 13.0;
pub(crate) const TICK: f64 = 11.5;
pub(crate) const LEGEND: f64 = 11.5;

/// Dash pattern of the lines that end an ε.
pub(crate) const DASHES: &str = "5 3";

/// Radius of a point, smaller where many share the panel.
pub(crate) fn radius(points: usize) -> f64 {
    (60.0 / (points as f64).sqrt()).clamp(1.5, 3.2)
}

/// Width of the moving average: thin where the line would run over itself.
pub(crate) fn average_width(points: usize) -> f64 {
    if points <= 5_000 { 1.8 } else { 0.8 }
}

/// Width of the lines that end an ε: hairlines where they would hide the points.
pub(crate) fn phase_width(lines: usize) -> f64 {
    if lines <= 20 { 1.0 } else { 0.5 }
}
