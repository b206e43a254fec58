//! Scoring chosen architectures under several draws of their weights (hypotheses H2 and H3).

mod choice;
mod evaluate_draw;
mod event;
#[cfg(feature = "report")]
mod figures;
mod files;
mod report;
mod runner;
mod summary;
mod t_distribution;

pub use choice::{ChoiceError, Group, Searched, Target, fixed_nets, target_of_row};
pub use evaluate_draw::EvaluateDraw;
pub use report::{DrawOutcome, NetSummary, ScoringError, ScoringEvent, ScoringReport};
pub use runner::{ScoringHook, ScoringJob, ScoringRunner, Training, draw_seed};
pub use summary::Summary;
