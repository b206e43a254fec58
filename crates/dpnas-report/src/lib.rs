#![doc = include_str!("../README.md")]

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
