//! `cargo xtask fuzz`: damaged input for every reader, from libFuzzer where it can run.

use crate::process::Call;
use anyhow::{Context, bail};
use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

/// The package of the program that libFuzzer drives, outside the workspace.
const PACKAGE: &str = "xtask/fuzz/libfuzzer";
/// The committed inputs, a folder for each target.
const CORPUS: &str = "fixtures/fuzz";
/// Seconds for one input. The sanitizer makes a target several times slower, and one second is its limit without.
const TIMEOUT: u32 = 5;
/// Memory in MiB, above that of any input that a target may take.
const MEMORY: u32 = 4096;

/// Which targets, and for how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Feed this target alone
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, value_name = "N", default_value_t = 600)]
    seconds: u32,
}

/// Feeds every target for some time and prints a table. Without its tools, runs the short form, which needs none.
///
/// # Errors
/// If there is no such target, or one fails.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let targets = targets(root, arguments.target.as_deref())?;
    if let Some(install) = missing(root) {
        eprintln!("the short form runs, because libFuzzer cannot; to run it: {install}");
        let call = Call::cargo(["test", "-p", "dpnas-fuzz", "--test", "short"]);
        return arguments.target.iter().fold(call, |call, name| call.env("DPNAS_FUZZ_TARGET", name)).run(root);
    }
    // The versions of the workspace.
    fs::copy(root.join("Cargo.lock"), root.join(PACKAGE).join("Cargo.lock"))?;
    cargo_fuzz("build").run(root)?;
    let mut rows = Vec::new();
    for target in &targets {
        let row = feed(root, target, arguments.seconds)?;
        eprintln!("{row}");
        rows.push(row);
    }
    println!("| target | executions | seconds | coverage | crashes |\n|---|---|---|---|---|");
    rows.iter().for_each(|row| println!("{row}"));
    match targets
        .iter()
        .zip(&rows)
        .filter(|(_, row)| !row.ends_with("| 0 |"))
        .map(|(name, _)| &**name)
        .collect::<Vec<_>>()[..]
    {
        [] => Ok(()),
        ref failed => bail!(
            "{} failed: the inputs are in target/fuzz/NAME. Mend the reader, and keep a small one in {CORPUS}/NAME",
            failed.join(", ")
        ),
    }
}

/// The names of the targets, which are those of the folders of the corpus.
fn targets(root: &Path, chosen: Option<&str>) -> anyhow::Result<Vec<String>> {
    let folder = root.join(CORPUS);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
    let folders = entries.iter().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    match chosen {
        Some(name) if !names.iter().any(|known| known == name) => bail!("no target `{name}`: use {}", names.join(", ")),
        Some(name) => Ok(vec![name.to_owned()]),
        None => Ok(names),
    }
}

/// The command that installs what libFuzzer lacks.
fn missing(root: &Path) -> Option<&'static str> {
    let works = |arguments: [&str; 4]| Call::new("rustup", arguments).output(root).is_ok();
    if !works(["run", "nightly", "rustc", "--version"]) {
        return Some("rustup toolchain install nightly --profile minimal");
    }
    (!works(["run", "nightly", "cargo-fuzz", "--version"])).then_some("cargo install --locked cargo-fuzz")
}

fn cargo_fuzz(command: &str) -> Call {
    let call = Call::new("rustup", ["run", "nightly", "cargo", "fuzz", command, "--fuzz-dir", PACKAGE, "target"]);
    call.env("CARGO_TARGET_DIR", "target/fuzz/build")
}

/// Feeds one target until the time is over or it fails, and returns its row of the table.
fn feed(root: &Path, target: &str, seconds: u32) -> anyhow::Result<String> {
    let (committed, found) = (format!("{CORPUS}/{target}"), format!("target/fuzz/{target}"));
    let corpus = format!("{found}/corpus");
    let _ = fs::remove_dir_all(root.join(&found));
    fs::create_dir_all(root.join(&corpus)).with_context(|| found.clone())?;
    let call = cargo_fuzz("run").args([&*corpus, &committed, "--"]).env("DPNAS_FUZZ_TARGET", target);
    let call = [
        format!("-max_total_time={seconds}"),
        format!("-timeout={TIMEOUT}"),
        format!("-rss_limit_mb={MEMORY}"),
        format!("-artifact_prefix={found}/"),
        "-print_final_stats=1".to_owned(),
    ]
    .iter()
    .fold(call, |call, option| call.arg(option));
    let log = root.join(&found).join("log.txt");
    eprintln!("$ {call}");
    let begun = Instant::now();
    let status =
        call.command(root).stderr(File::create(&log)?).status().with_context(|| format!("cannot start `{call}`"))?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let crashes = u32::from(!status.success());
    Ok(row(target, &text, begun.elapsed().as_secs(), crashes))
}

/// A row of the table from the log of libFuzzer.
fn row(target: &str, log: &str, seconds: u64, crashes: u32) -> String {
    let after = |mark: &str| log.rsplit_once(mark).and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or("?");
    let (executions, coverage) = (after("stat::number_of_executed_units:"), after(" cov:"));
    format!("| {target} | {executions} | {seconds} | {coverage} | {crashes} |")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_last_numbers_of_the_log() {
        let log = "#2\tINITED cov: 12 ft: 13 corp: 1/1b\n#512\tNEW    cov: 345 ft: 400 corp: 9/90b exec/s: 100\n\
                   stat::number_of_executed_units: 512\nstat::average_exec_per_sec: 100\n";
        assert_eq!(row("net", log, 5, 0), "| net | 512 | 5 | 345 | 0 |");
        assert_eq!(row("net", "", 5, 1), "| net | ? | 5 | ? | 1 |");
    }

    #[test]
    fn targets_are_the_folders_of_the_corpus() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(targets(root, None).unwrap().contains(&"net".to_owned()));
        assert!(targets(root, Some("nett")).unwrap_err().to_string().starts_with("no target `nett`: use "));
    }
}
