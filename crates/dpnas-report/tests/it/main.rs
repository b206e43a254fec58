//! The plot and the report, seen from outside.

mod boxes;
mod common;
mod plot;
mod png;
mod report;
mod scorings;
