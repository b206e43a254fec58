//! Checks and chores of the workspace; `cargo xtask --help` lists them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks on its streams")]
#![allow(
    clippy::disallowed_methods,
    reason = "clock: the seconds of a CI step are printed, nothing is decided by them"
)]

mod bench;
mod ci;
mod fuzz;
mod gpu;
mod nightly;
mod process;
mod soak;
mod study;
mod tidy;

use anyhow::Context;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Checks and chores of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything that has to pass before a change is merged
    Ci(ci::Arguments),
    /// Check the house rules that no other tool checks
    Tidy,
    /// Measure speed and memory, beside PyTorch where a Python has it
    Bench(Box<bench::Arguments>),
    /// Pack what checks and measures a GPU, for a machine that has one
    Gpu(gpu::Arguments),
    /// Kill, cut, damage and starve the programs, and look at what is left
    Soak(soak::Arguments),
    /// Run a study of docs/science.md; hours long
    Study(study::Arguments),
    /// Feed every reader with damaged input (nightly; without it, for a short time)
    Fuzz(fuzz::Arguments),
    /// Interpret the tests of the kernels' safe and portable code with Miri (nightly)
    Miri(nightly::Arguments),
    /// Run the tests of the kernels under an address sanitizer (nightly)
    Sanitize(nightly::Arguments),
}

fn main() -> ExitCode {
    let result = root().and_then(|root| match Arguments::parse().command {
        Command::Ci(arguments) => ci::run(&root, &arguments),
        Command::Tidy => tidy::run(&root),
        Command::Bench(arguments) => bench::run(&root, &arguments),
        Command::Gpu(arguments) => gpu::run(&root, &arguments),
        Command::Soak(arguments) => soak::run(&root, &arguments),
        Command::Study(arguments) => study::run(&root, &arguments),
        Command::Fuzz(arguments) => fuzz::run(&root, &arguments),
        Command::Miri(arguments) => nightly::miri(&root, &arguments),
        Command::Sanitize(arguments) => nightly::sanitize(&root, &arguments),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace: the parent of this package's folder.
fn root() -> anyhow::Result<PathBuf> {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let root = Path::new(&package).parent().context("the xtask package lies in no workspace")?;
    Ok(root.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_root_is_the_folder_of_the_workspace_manifest() {
        let manifest = std::fs::read_to_string(root().unwrap().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }
}
