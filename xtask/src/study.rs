//! Builds and runs a study of `docs/science.md`.

use crate::bench::programs::build;
use clap::ValueEnum;
use std::path::Path;

/// Which study, and its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    study: Study,
    /// Options of the study; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Study {
    /// Strategies of a search over seeds
    Strategies,
    /// Rewards of the heads over random architectures
    Heads,
}

/// Builds the study's programs in release, and runs it. A study that was stopped goes on where it was.
///
/// # Errors
/// If a program does not build, or the study fails.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let release = ["--release", "--workspace"];
    let name = match arguments.study {
        Study::Strategies => "strategy_study",
        Study::Heads => "heads_study",
    };
    let programs = ["--bin", "search", "--bin", "score", "--example", name];
    let study = build(root, &[release.as_slice(), &programs].concat(), name)?;
    study.args(arguments.options.iter().map(String::as_str)).run(&std::env::current_dir()?)
}
