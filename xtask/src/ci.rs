//! `cargo xtask ci`: every check, cheap ones first.
//!
//! Clippy and the documentation share the metadata of the dependencies; the tests build their code once more, with
//! optimisation.

use crate::process::Call;
use crate::{soak, tidy};
use anyhow::{Context, bail};
use clap::ValueEnum;
use std::path::Path;
use std::time::Instant;

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
    /// Spelling
    Typos,
    /// House rules
    Tidy,
    /// Licences, sources, and which crate may depend on which
    Deny,
    /// Lints of every target, with the CUDA device (needs no CUDA)
    Clippy,
    /// Type check of the facade with each feature alone
    Features,
    /// Type check of the portable kernels for aarch64
    Aarch64,
    /// The GPU's kernels compile and spill no register (needs no GPU)
    Spills,
    /// Documentation, with warnings as errors
    Doc,
    /// Packages as they would be published
    Package,
    /// The README's test command
    Test,
    /// Kills, cuts and damage for about three minutes
    Soak,
}

/// The feature of the CUDA device. Clippy and the documentation have it both, so that they share the dependencies' metadata.
const CUDA: &str = "dpnas-examples/cuda";

const SPILLS: &str = "crates/dpnas-cuda/tests/spills.py";

const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// Steps that may be skipped in CI where their tool is missing, and why.
const MAY_SKIP: [(Step, &str); 1] =
    [(Step::Aarch64, "a machine that reaches package registries alone cannot install another target")];

impl Step {
    /// The step's name on the command line.
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, root: &Path) -> anyhow::Result<()> {
        match self {
            Self::Tidy => return tidy::run(root),
            Self::Soak => return soak::run(root, &soak::Arguments::short()),
            Self::Fmt => Call::cargo(["fmt", "--all", "--", "--check"]),
            Self::Typos => Call::new("typos", []),
            Self::Deny => Call::cargo(["deny", "--all-features", "check", "licenses", "bans", "sources"]),
            Self::Clippy => {
                Call::cargo(["clippy", "--workspace", "--all-targets", "--features", CUDA, "--", "-D", "warnings"])
            }
            // All features together are those of the workspace.
            Self::Features => Call::cargo(["hack", "check", "-p", "dpnas", "--each-feature", "--exclude-all-features"]),
            Self::Aarch64 => {
                let packages = ["dpnas-kernels", "dpnas-train", "dpnas-search", "dpnas-cache"];
                Call::cargo(["check", "--target", AARCH64]).args(packages.into_iter().flat_map(|name| ["-p", name]))
            }
            Self::Spills => Call::new("python3", [SPILLS]),
            Self::Doc => {
                Call::cargo(["doc", "--workspace", "--no-deps", "--features", CUDA]).env("RUSTDOCFLAGS", "-D warnings")
            }
            Self::Package => {
                let private = ["dpnas-bench", "dpnas-examples", "dpnas-fuzz", "xtask"];
                // Not built: that would compile burn once more, because a package has no profile of the workspace. The workflow
                // has a job for it.
                let call = Call::cargo(["package", "--workspace", "--allow-dirty", "--no-verify"]);
                call.args(private.into_iter().flat_map(|name| ["--exclude", name]))
            }
            Self::Test => Call::cargo(["test", "--workspace"]),
        }
        .run(root)
    }

    /// The command that installs what the step lacks.
    fn missing(self, root: &Path) -> Option<String> {
        let works = |call: Call| call.output(root).is_ok();
        let (found, install) = match self {
            Self::Typos => (works(Call::new("typos", ["--version"])), "cargo install --locked typos-cli"),
            Self::Deny => (works(Call::cargo(["deny", "--version"])), "cargo install --locked cargo-deny"),
            Self::Features => (works(Call::cargo(["hack", "--version"])), "cargo install --locked cargo-hack"),
            Self::Spills => (
                works(Call::new("python3", ["-c", "import nvidia"])),
                "pip install nvidia-cuda-nvrtc nvidia-cuda-nvcc, in the Python on the path",
            ),
            Self::Soak => (works(Call::new("strace", ["-V"])), "apt-get install strace"),
            Self::Aarch64 => (has_target(root, AARCH64), "rustup target add aarch64-unknown-linux-gnu"),
            _ => return None,
        };
        (!found).then(|| install.to_owned())
    }
}

/// Whether the toolchain has the standard library of a target.
fn has_target(root: &Path, target: &str) -> bool {
    let folder = Call::new("rustc", ["--print", "target-libdir", "--target", target]).output(root);
    folder.is_ok_and(|folder| Path::new(folder.trim()).is_dir())
}

/// Whether a step that lacks its tool is skipped: anywhere but in CI, and there if it is on the list.
fn may_skip(step: Step, in_ci: bool) -> bool {
    !in_ci || MAY_SKIP.iter().any(|(listed, _)| *listed == step)
}

/// Runs the chosen steps and stops at the first that fails.
///
/// # Errors
/// If a step fails, or if no step is left.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let steps = chosen(arguments);
    if steps.is_empty() {
        bail!("--only and --skip leave no step to run; `cargo xtask ci --help` lists the steps");
    }
    let in_ci = std::env::var_os("CI").is_some();
    let mut times = Vec::new();
    for step in steps {
        let (name, start) = (step.name(), Instant::now());
        eprintln!("== {name}");
        if let Some(install) = step.missing(root) {
            if !may_skip(step, in_ci) {
                bail!("step `{name}` cannot run; install what it needs: {install}");
            }
            eprintln!("== {name}: skipped; to run it: {install}");
            times.push(format!("{name} skipped"));
            continue;
        }
        step.run(root)
            .with_context(|| format!("step `{name}` failed; rerun it alone: cargo xtask ci --only {name}"))?;
        times.push(format!("{name} {:.1} s", start.elapsed().as_secs_f64()));
        eprintln!("== {}", times[times.len() - 1]);
    }
    eprintln!("== all passed: {}", times.join(", "));
    Ok(())
}

fn chosen(arguments: &Arguments) -> Vec<Step> {
    let wanted = |step: &Step| arguments.only.is_empty() || arguments.only.contains(step);
    let steps = Step::value_variants().iter().copied();
    steps.filter(wanted).filter(|step| !arguments.skip.contains(step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_steps_keep_the_order_of_a_full_run() {
        let steps = |only: &[Step], skip: &[Step]| chosen(&Arguments { only: only.to_vec(), skip: skip.to_vec() });
        assert_eq!(steps(&[Step::Clippy, Step::Fmt], &[]), [Step::Fmt, Step::Clippy]);
        assert_eq!(steps(&[Step::Clippy, Step::Fmt], &[Step::Fmt]), [Step::Clippy]);
        assert_eq!(steps(&[], &[]), Step::value_variants());
    }

    #[test]
    fn leaving_no_step_is_an_error() {
        let arguments = Arguments { only: vec![Step::Fmt], skip: vec![Step::Fmt] };
        assert!(run(Path::new("."), &arguments).unwrap_err().to_string().contains("leave no step"));
    }

    #[test]
    fn a_step_without_its_tool_is_skipped_in_ci_only_if_it_is_listed() {
        assert!(may_skip(Step::Deny, false) && !may_skip(Step::Deny, true) && may_skip(Step::Aarch64, true));
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
        assert_eq!(error, "step `clippy` failed; rerun it alone: cargo xtask ci --only clippy");
    }
}
