//! Plots of searches and scorings as SVG and PNG, and the HTML report of a run.
//!
//! Plain data in, strings and bytes out: the crate knows neither searches nor files. The font of the plots is compiled
//! in, so a machine without fonts draws the same PNG; a browser shows the SVG's texts in its own sans-serif font.
//!
//! ```
//! use dpnas_report::{PlotOptions, RewardPoint, reward_plot};
//!
//! let points: Vec<RewardPoint> = (0..60)
//!     .map(|i| RewardPoint { epsilon: if i < 40 { 1.0 } else { 0.5 }, reward: 0.6 + f64::from(i) * 0.004 })
//!     .collect();
//! let plot = reward_plot(&points, &PlotOptions::titled("digits")).expect("more than 20 rewards");
//! assert!(plot.as_str().starts_with("<svg"));
//! assert!(plot.to_png(2.0)?.starts_with(b"\x89PNG"));
//! # Ok::<(), dpnas_report::ReportError>(())
//! ```

mod average;
mod canvas;
mod colour;
mod curves;
mod draws;
mod draws_layout;
mod font;
mod frame;
mod html;
mod labels;
mod layout;
mod legend;
mod page;
mod plot;
mod scale;
mod score_page;
mod series;
mod style;
mod svg;

pub use average::moving_average;
pub use curves::{Curve, CurveGroup, CurvesPlot, Split};
pub use draws::{DrawGroup, DrawSeries, Draws, DrawsPlot, NetDraws};
pub use html::{Baseline, BestNet, RunReport};
pub use plot::{PlotOptions, reward_plot};
pub use score_page::{ScoreFigure, ScorePage, ScoreRow};
pub use series::RewardPoint;
pub use svg::{ReportError, Svg};
