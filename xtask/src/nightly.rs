//! `cargo xtask miri` and `cargo xtask sanitize`: what only a nightly toolchain checks of the unsafe code.
//!
//! Both build into folders of their own below `target`, so that neither disturbs the everyday build.

use crate::process::Call;
use anyhow::bail;
use std::path::Path;

/// The crate whose purpose is unsafe code, and that neither maps files nor calls foreign code.
const PACKAGE: &str = "dpnas-kernels";

/// What of a nightly toolchain a check needs, and how to get it.
struct Needs {
    /// Succeeds where it is there.
    probe: &'static [&'static str],
    what: &'static str,
    install: &'static str,
}

const MIRI: Needs = Needs {
    probe: &["run", "nightly", "cargo", "miri", "--version"],
    what: "a nightly toolchain with Miri",
    install: "rustup toolchain install nightly --profile minimal --component miri,rust-src",
};

const NIGHTLY: Needs = Needs {
    probe: &["run", "nightly", "rustc", "--version"],
    what: "a nightly toolchain",
    install: "rustup toolchain install nightly --profile minimal",
};

impl Needs {
    /// # Errors
    /// With the command that installs what is missing.
    fn check(&self, root: &Path) -> anyhow::Result<()> {
        match Call::new("rustup", self.probe.iter().copied()).output(root) {
            Ok(version) => eprintln!("{}", version.trim()),
            Err(_) => bail!("this needs {}, which rustup does not find; install it: {}", self.what, self.install),
        }
        Ok(())
    }
}

/// Which tests to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run the tests whose name contains this text
    filter: Option<String>,
}

/// Interprets the tests of the kernels with Miri: the packing of weights, the tables and the portable level, in both
/// precisions. Miri offers no vector extensions, so the other levels are for the sanitizer.
///
/// # Errors
/// If Miri is missing, or finds undefined behaviour, or a test fails.
pub(crate) fn miri(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    MIRI.check(root)?;
    filtered(miri_call(), arguments).run(root)
}

fn miri_call() -> Call {
    // Tree borrows, exposed addresses and threads that outlive `main` are rayon's: its queues are right under no other.
    let flags =
        ["-Zmiri-disable-isolation", "-Zmiri-ignore-leaks", "-Zmiri-permissive-provenance", "-Zmiri-tree-borrows"];
    Call::new("rustup", ["run", "nightly", "cargo", "miri", "test", "-p", PACKAGE, "--lib", "--tests"])
        .env("CARGO_TARGET_DIR", "target/miri")
        .env("MIRIFLAGS", &flags.join(" "))
        .env("DPNAS_CPU_LEVEL", "portable")
        .env("PROPTEST_CASES", "4")
        .env("RAYON_NUM_THREADS", "2")
}

/// Runs the tests of the kernels, conformance on random plans among them, under an address sanitizer, on every level that
/// this processor has.
///
/// # Errors
/// If there is no nightly toolchain, or the sanitizer finds something, or a test fails.
pub(crate) fn sanitize(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    NIGHTLY.check(root)?;
    let version = Call::new("rustup", ["run", "nightly", "rustc", "--version", "--verbose"]).output(root)?;
    let Some(host) = version.lines().find_map(|line| line.strip_prefix("host: ")) else {
        bail!("rustc does not name the host's target, which the sanitizer needs: {version}");
    };
    filtered(sanitize_call(host), arguments).run(root)
}

fn sanitize_call(host: &str) -> Call {
    // With a target of its own, build scripts and macros are not instrumented.
    Call::new("rustup", ["run", "nightly", "cargo", "test", "-p", PACKAGE, "--lib", "--tests", "--target", host])
        .env("CARGO_TARGET_DIR", "target/sanitize")
        .env("RUSTFLAGS", "-Zsanitizer=address")
}

fn filtered(call: Call, arguments: &Arguments) -> Call {
    arguments.filter.as_deref().map_or(call.clone(), |filter| call.args(["--", filter]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_build_the_kernels_in_folders_of_their_own() {
        let miri = miri_call().to_string();
        assert!(miri.starts_with("CARGO_TARGET_DIR=target/miri MIRIFLAGS='-Zmiri-disable-isolation "), "{miri}");
        assert!(miri.ends_with("rustup run nightly cargo miri test -p dpnas-kernels --lib --tests"), "{miri}");
        assert_eq!(
            filtered(sanitize_call("x86_64-unknown-linux-gnu"), &Arguments { filter: Some("pack".into()) }).to_string(),
            "CARGO_TARGET_DIR=target/sanitize RUSTFLAGS=-Zsanitizer=address rustup run nightly cargo test -p \
             dpnas-kernels --lib --tests --target x86_64-unknown-linux-gnu -- pack"
        );
    }

    #[test]
    fn what_is_missing_comes_with_the_command_that_installs_it() {
        let needs = Needs { probe: &["run", "dpnas-no-such-toolchain", "rustc"], ..NIGHTLY };
        let error = needs.check(Path::new(".")).unwrap_err().to_string();
        let message = "this needs a nightly toolchain, which rustup does not find; install it: rustup toolchain install \
             nightly --profile minimal";
        assert_eq!(error, message);
    }
}
