//! `cargo xtask bench`: every table of `docs/performance.md`, a mode each.

mod compare;
mod figures;
mod host;
mod parts;
mod peer;
pub(crate) mod programs;
mod scores;
mod split;
mod table;
mod training;

use anyhow::Context;
use clap::Subcommand;
use serde::Serialize;
use std::path::Path;

/// What to measure.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    compare: compare::Comparison,
}

/// Without a mode, whole architectures are measured, in turns with PyTorch where a Python has it.
#[derive(Subcommand)]
enum Mode {
    /// Run the criterion benchmarks of the parts
    Parts(parts::Arguments),
    /// Show where the time of scoring one architecture goes
    Split(split::Arguments),
    /// Show how time and memory grow with images, features, depth and candidates
    Growth(scores::GrowthArguments),
    /// Show the peak memory of scoring within a memory budget
    Memory(scores::MemoryArguments),
}

/// Measures what was asked for.
///
/// # Errors
/// If a program of ours does not build or fails, or a file cannot be written. A peer that is missing or fails is no
/// error.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.mode {
        Some(Mode::Parts(arguments)) => parts::run(root, arguments),
        Some(Mode::Split(arguments)) => split::run(root, arguments),
        Some(Mode::Growth(arguments)) => scores::growth(root, arguments),
        Some(Mode::Memory(arguments)) => scores::memory(root, arguments),
        None => compare::run(root, &arguments.compare),
    }
}

/// Writes an object to the file, if there is one.
fn write_json(path: Option<&Path>, object: &impl Serialize) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let text = serde_json::to_string_pretty(object)? + "\n";
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
