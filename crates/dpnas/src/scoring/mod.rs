//! Scoring chosen architectures under several draws of their weights: hypotheses H2 and H3.

mod choice;
mod event;
mod figures;
mod files;
mod report;
mod runner;
mod score_draw;
mod student;
mod summary;

pub use choice::{ChoiceError, Group, Searched, Target, fixed_nets, target_of_row};
pub use report::{NetSummary, ScoreReport, ScoredDraw, ScoringError, ScoringEvent};
pub use runner::{ScoreJob, ScoreRunner, ScoringHook, Training, draw_seed};
pub use score_draw::ScoreDraw;
pub use summary::Summary;
