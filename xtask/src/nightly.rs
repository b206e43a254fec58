//! `cargo xtask miri` and `cargo xtask sanitize`: checks of the unsafe code that need a nightly toolchain.
//!
//! Each builds into its own folder below `target`, so that the everyday build stays.

use crate::process::Call;
use anyhow::Context;
use std::path::Path;

/// The crate of the kernels: its unsafe code neither maps files nor calls foreign functions.
const PACKAGE: &str = "dpnas-kernels";

/// Which tests to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run the tests whose name contains this text
    filter: Option<String>,
}

/// Interprets the tests of the kernels with Miri, which has no vector extensions: packing, tables and the portable level. Then
/// the barrier and the feed of the threads that train a classifier, in many orders of threads and of memory.
///
/// # Errors
/// If Miri is missing or finds undefined behaviour, or a test fails.
pub(crate) fn miri(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    // Rayon's queues need tree borrows and exposed addresses, and its threads outlive `main`.
    let flags = "-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-permissive-provenance -Zmiri-tree-borrows";
    let call = nightly(&["miri", "test"], arguments)
        .env("CARGO_TARGET_DIR", "target/miri")
        .env("MIRIFLAGS", flags)
        .env("DPNAS_CPU_LEVEL", "portable")
        .env("PROPTEST_CASES", "4")
        .env("RAYON_NUM_THREADS", "2");
    call.run(root).context("Miri comes with: rustup toolchain install nightly --component miri,rust-src")?;
    if arguments.filter.is_some() {
        return Ok(());
    }
    let threads = ["run", "nightly", "cargo", "miri", "test", "-p", "dpnas-train", "--lib", "--", "barrier", "feed"];
    let call = Call::new("rustup", threads).env("CARGO_TARGET_DIR", "target/miri");
    call.env("MIRIFLAGS", "-Zmiri-many-seeds=0..32").run(root)
}

/// Runs the tests of the kernels under an address sanitizer, on every level of this processor.
///
/// # Errors
/// If there is no nightly toolchain, the sanitizer finds something, or a test fails.
pub(crate) fn sanitize(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let version = Call::new("rustup", ["run", "nightly", "rustc", "--version", "--verbose"]).output(root);
    let version = version.context("install the toolchain: rustup toolchain install nightly --profile minimal")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    // An explicit target keeps build scripts and macros out of the instrumentation.
    let call = nightly(&["test", "--target", host], arguments)
        .env("CARGO_TARGET_DIR", "target/sanitize")
        .env("RUSTFLAGS", "-Zsanitizer=address");
    call.run(root)
}

fn nightly(command: &[&str], arguments: &Arguments) -> Call {
    let call = Call::new("rustup", ["run", "nightly", "cargo"]).args(command.iter().copied());
    let call = call.args(["-p", PACKAGE, "--lib", "--tests"]);
    arguments.filter.iter().fold(call, |call, filter| call.args(["--", filter]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_reaches_the_tests() {
        let call = nightly(&["miri", "test"], &Arguments { filter: Some("pack".into()) });
        let line = "rustup run nightly cargo miri test -p dpnas-kernels --lib --tests -- pack";
        assert_eq!(call.to_string(), line);
    }
}
