//! `cargo xtask ci`: every check, in the order that shares most of the build.
//!
//! Cheap steps come first. Clippy, the CUDA check and the documentation share the metadata of the dependencies; the
//! tests build their code once more, with optimisation, and come last, so that their summary ends the log.

use crate::process::Call;
use crate::{test, tidy};
use anyhow::bail;
use clap::ValueEnum;
use std::path::Path;
use std::time::{Duration, Instant};

/// Which steps to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run these steps alone
    #[arg(long, value_delimiter = ',', value_name = "STEP,…")]
    only: Vec<Step>,
    /// Leave these steps out
    #[arg(long, value_delimiter = ',', value_name = "STEP,…")]
    skip: Vec<Step>,
}

/// One step, in the order of a full run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Formatting
    Fmt,
    /// The rules of this workspace
    Tidy,
    /// Lints of every target
    Clippy,
    /// Type check of the CUDA device (needs no CUDA)
    Cuda,
    /// Type check of the portable kernels for aarch64, if its standard library is installed
    Aarch64,
    /// Documentation, with warnings as errors
    Doc,
    /// Licences, bans and advisories, if cargo-deny is installed
    Deny,
    /// The README's test command
    Test,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Clippy => "clippy",
            Self::Cuda => "cuda",
            Self::Aarch64 => "aarch64",
            Self::Doc => "doc",
            Self::Deny => "deny",
            Self::Test => "test",
        }
    }

    /// The process of the step; `None` for tidy, which runs in this one.
    fn call(self) -> Option<Call> {
        let call = match self {
            Self::Tidy => return None,
            Self::Fmt => Call::cargo(["fmt", "--all", "--", "--check"]),
            Self::Clippy => Call::cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
            Self::Cuda => Call::cargo(["check", "-p", "dpnas-examples", "--features", "cuda"]),
            Self::Aarch64 => {
                let packages = AARCH64_PACKAGES.iter().flat_map(|package| ["-p", package]);
                Call::cargo(["check", "--target", AARCH64]).args(packages)
            }
            Self::Doc => Call::cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
            Self::Deny => Call::cargo(["deny", "check"]),
            Self::Test => test::call(),
        };
        Some(call)
    }

    fn run(self, root: &Path) -> anyhow::Result<Outcome> {
        if self == Self::Deny && Call::cargo(["deny", "--version"]).output(root).is_err() {
            return Ok(Outcome::Skipped("cargo-deny is not installed; tidy has checked the licences"));
        }
        if self == Self::Aarch64 && !has_target(root, AARCH64) {
            return Ok(Outcome::Skipped(
                "the standard library of aarch64 is not installed: rustup target add aarch64-unknown-linux-gnu",
            ));
        }
        match self.call() {
            Some(call) => call.run(root)?,
            None => tidy::run(root)?,
        }
        Ok(Outcome::Passed)
    }
}

/// Another processor than the one that everything is developed on, and the crates that have code for processors.
const AARCH64: &str = "aarch64-unknown-linux-gnu";
const AARCH64_PACKAGES: [&str; 4] = ["dpnas-kernels", "dpnas-train", "dpnas-search", "dpnas-cache"];

/// Whether the toolchain has the standard library of a target.
fn has_target(root: &Path, target: &str) -> bool {
    let folder = Call::new("rustc", ["--print", "target-libdir", "--target", target]).output(root);
    folder.is_ok_and(|folder| Path::new(folder.trim()).is_dir())
}

enum Outcome {
    Passed,
    Skipped(&'static str),
}

/// Runs the chosen steps and stops at the first that fails.
///
/// # Errors
/// If a step fails, with the command that reruns it alone, or if no step is left.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let steps = chosen(arguments);
    if steps.is_empty() {
        bail!("--only and --skip leave no step to run; `cargo xtask ci --help` lists the steps");
    }
    let begin = Instant::now();
    for &step in &steps {
        let name = step.name();
        eprintln!("== {name}");
        let start = Instant::now();
        match step.run(root) {
            Ok(Outcome::Passed) => eprintln!("== {name}: ok, {}", seconds(start.elapsed())),
            Ok(Outcome::Skipped(why)) => eprintln!("== {name}: skipped: {why}"),
            Err(error) => bail!(
                "step `{name}` failed after {}: {error:#}\nrerun it alone: cargo xtask ci --only {name}",
                seconds(start.elapsed())
            ),
        }
    }
    let names: Vec<_> = steps.iter().map(|step| step.name()).collect();
    eprintln!("== all passed in {}: {}", seconds(begin.elapsed()), names.join(", "));
    Ok(())
}

fn chosen(arguments: &Arguments) -> Vec<Step> {
    let wanted = |step: &Step| arguments.only.is_empty() || arguments.only.contains(step);
    let steps = Step::value_variants().iter().copied();
    steps.filter(wanted).filter(|step| !arguments.skip.contains(step)).collect()
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(only: &[Step], skip: &[Step]) -> Vec<Step> {
        chosen(&Arguments { only: only.to_vec(), skip: skip.to_vec() })
    }

    #[test]
    fn without_a_choice_every_step_runs_and_the_tests_come_last() {
        let steps = steps(&[], &[]);
        assert_eq!(steps.len(), Step::value_variants().len());
        assert_eq!(steps.last(), Some(&Step::Test));
    }

    #[test]
    fn chosen_steps_keep_the_order_of_a_full_run() {
        assert_eq!(steps(&[Step::Clippy, Step::Fmt], &[]), [Step::Fmt, Step::Clippy]);
        assert_eq!(steps(&[Step::Clippy, Step::Fmt], &[Step::Fmt]), [Step::Clippy]);
    }

    #[test]
    fn leaving_no_step_is_an_error() {
        let arguments = Arguments { only: vec![Step::Fmt], skip: vec![Step::Fmt] };
        assert!(run(Path::new("."), &arguments).unwrap_err().to_string().contains("leave no step"));
    }

    #[test]
    fn a_target_is_there_if_its_standard_library_is() {
        let version = Call::new("rustc", ["-vV"]).output(Path::new(".")).unwrap();
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        assert!(has_target(Path::new("."), host));
        assert!(!has_target(Path::new("."), "dpnas-no-such-target"));
    }

    #[test]
    fn a_failing_step_names_the_command_that_reruns_it() {
        let folder = tempfile::tempdir().unwrap(); // no package here: clippy fails at once
        let arguments = Arguments { only: vec![Step::Clippy], skip: vec![] };
        let error = run(folder.path(), &arguments).unwrap_err().to_string();
        assert!(error.starts_with("step `clippy` failed after "), "{error}");
        assert!(error.ends_with("rerun it alone: cargo xtask ci --only clippy"), "{error}");
    }

    #[test]
    fn every_step_is_spelled_as_on_the_command_line() {
        for step in Step::value_variants() {
            assert_eq!(step.to_possible_value().unwrap().get_name(), step.name());
        }
    }
}
