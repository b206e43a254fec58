#![doc = include_str!("../README.md")]

mod average;
mod canvas;
mod colour;
mod curves;
mod draws;
mod draws_layout;
mod font;
mod frame;
mod front;
mod heat_map;
mod labels;
mod layout;
mod legend;
mod number;
mod page;
mod plot;
mod random_search;
mod scale;
mod search_page;
mod series;
mod style;
mod svg;
mod table_page;

pub use average::moving_average;
pub use curves::{Curve, CurveGroup, CurveKind, CurvesPlot};
pub use draws::{DrawGroup, Draws, DrawsPlot, NetDraws};
pub use front::{ensemble_plot, pareto_front};
pub use heat_map::HeatMap;
pub use page::PageText;
pub use plot::{PlotOptions, reward_plot};
pub use search_page::{Baseline, BestNet, Cost, Relative, SearchPage};
pub use series::RewardPoint;
pub use svg::{ReportError, Svg};
pub use table_page::{Column, Figure, TablePage};
