//! `cargo xtask bench`: every figure of `docs/performance.md`, a mode each.

mod build;
mod compare;
mod device;
mod growth;
mod host;
mod memory;
mod parts;
mod peer;
mod record;
mod scored;
mod settings;
mod split;
mod summary;
mod table;
mod watch;

use clap::Subcommand;
use compare::{Measured, compare};
use host::Host;
use peer::Peer;
use serde::Serialize;
use std::path::Path;
use summary::Summary;

/// What to measure.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    compare: settings::Comparison,
}

/// Without a mode, whole architectures are measured, in turns with PyTorch where a Python has it.
#[derive(Subcommand)]
enum Mode {
    /// Run the criterion benchmarks of the parts
    Parts(parts::Arguments),
    /// Show where the time of scoring one architecture goes
    Split(split::Arguments),
    /// Show how time and memory grow with images, features, depth and candidates
    Growth(growth::Arguments),
    /// Show what scoring takes within a memory budget
    Memory(memory::Arguments),
}

/// Measures what was asked for.
///
/// # Errors
/// If a program of ours does not build or fails, or a file cannot be written; a peer that is missing or fails is no
/// error.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.mode {
        Some(Mode::Parts(arguments)) => parts::run(root, arguments),
        Some(Mode::Split(arguments)) => split::run(root, arguments),
        Some(Mode::Growth(arguments)) => growth::run(root, arguments),
        Some(Mode::Memory(arguments)) => memory::run(root, arguments),
        None => beside_the_peer(root, &arguments.compare),
    }
}

/// What `--json` writes.
#[derive(Serialize)]
struct Report<'a> {
    host: &'a Host,
    settings: &'a compare::Settings,
    peer: Option<&'a Peer>,
    summary: Summary,
    /// Of the processor, in 10⁹ operations a second.
    peak_gflops: &'a std::collections::BTreeMap<String, f64>,
    rows: &'a [record::Row],
    errors: Vec<&'a String>,
}

fn beside_the_peer(root: &Path, arguments: &settings::Comparison) -> anyhow::Result<()> {
    let settings = arguments.settings(root)?;
    let ours = device::programs(root, &arguments.devices)?;
    let peer = match arguments.peer(root) {
        Ok(peer) => Some(peer),
        Err(why) => {
            eprintln!("{why}");
            None
        }
    };
    let peer = peer.map(|peer| {
        let call = peer.call(root);
        (peer, call)
    });
    let programs = compare::Programs { ours, peer };
    let measured = compare(root, &settings, &programs)?;
    let (host, peer) = (Host::ask(root), programs.peer.as_ref().map(|(peer, _)| peer));
    print(&measured, &settings, &host, peer);
    if let Some(path) = &arguments.json {
        let report = Report {
            host: &host,
            settings: &settings,
            peer,
            summary: Summary::of(&measured.rows),
            peak_gflops: &measured.peaks,
            rows: &measured.rows,
            errors: measured.errors.iter().chain(&measured.peer_errors).collect(),
        };
        write_json(path, &report)?;
    }
    match &measured.errors[..] {
        [] => Ok(()),
        [first, ..] => anyhow::bail!("{} runs of ours failed; the first: {first}", measured.errors.len()),
    }
}

/// The tables on standard output, and what they rest on.
fn print(measured: &Measured, settings: &compare::Settings, host: &Host, peer: Option<&Peer>) {
    println!("{}", table::tables(&measured.rows, |precision| measured.peaks.get(precision).copied()));
    let peer = peer.map(|peer| format!(", {}", peer.engine(None))).unwrap_or_default();
    let compare::Settings { images, channels, size, epochs, threads, rounds, .. } = settings;
    println!(
        "{}{peer}. {images} images of {channels}x{size}x{size}, {threads} threads, the best of {rounds} in turns; \
         classifiers measured on {epochs} epochs and scaled to 70. GFLOP/s count direct convolution.",
        host.line()
    );
    if !measured.peer_errors.is_empty() {
        eprintln!(
            "error: the peer failed {} times; the first: {}",
            measured.peer_errors.len(),
            measured.peer_errors[0]
        );
    }
}

/// Writes an object to a file, with the line ends of a text.
pub(crate) fn write_json(path: &Path, object: &impl Serialize) -> anyhow::Result<()> {
    use anyhow::Context;
    let text = serde_json::to_string_pretty(object)? + "\n";
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_the_summary_the_host_and_all_rows() {
        let host = Host::ask(Path::new("."));
        let settings: compare::Settings = settings::fixture();
        let rows = [record::fixture::row("cpu", "f32", Some(2.0), Some(4.0))];
        let report = Report {
            host: &host,
            settings: &settings,
            peer: None,
            summary: Summary::of(&rows),
            peak_gflops: &[("f32".to_owned(), 100.0)].into(),
            rows: &rows,
            errors: vec![],
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.json");
        write_json(&path, &report).unwrap();
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(json["summary"].as_object().unwrap().len(), 5);
        assert_eq!(json["summary"]["encoder_bf16_geomean"], serde_json::Value::Null);
        assert_eq!(json["rows"][0]["ours"]["images_per_s"], 2000.0);
        assert_eq!(json["settings"]["images"], settings.images);
        assert!(json["host"]["rustc"].as_str().unwrap().starts_with("rustc"));
        assert!(write_json(&folder.path().join("no/such"), &report).unwrap_err().to_string().contains("cannot write"));
    }
}
