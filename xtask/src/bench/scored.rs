//! What `crates/dpnas/examples/memory.rs` says of one scored architecture.

use super::build::build;
use super::watch::watch;
use crate::process::Call;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How the facade's programs are built.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Profile {
    /// Build with --release, burn too, which takes minutes [default: as for tests]
    #[arg(long)]
    release: bool,
}

impl Profile {
    /// Builds a target of the workspace.
    ///
    /// # Errors
    /// If it does not build.
    pub(crate) fn build(self, root: &Path, kind: &str, name: &str) -> anyhow::Result<Call> {
        let release = if self.release { &["--release"][..] } else { &[] };
        build(root, ["--workspace", kind, name].iter().chain(release).copied(), name)
    }

    pub(crate) fn name(self) -> &'static str {
        if self.release { "release profile" } else { "development profile" }
    }
}

/// An architecture to score.
#[derive(Clone, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) images: u64,
    pub(crate) side: u64,
    pub(crate) budget_mib: u64,
    pub(crate) epochs: u64,
    pub(crate) net: &'a str,
}

/// What scoring it took.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Scored {
    pub(crate) net: String,
    /// Of all splits.
    pub(crate) images: u64,
    pub(crate) features: u64,
    pub(crate) embedding_bytes: u64,
    /// `memory` or `file`.
    pub(crate) rows: String,
    pub(crate) chunk: u64,
    pub(crate) budget_bytes: u64,
    pub(crate) program_bytes: u64,
    pub(crate) loaded_bytes: u64,
    pub(crate) peak_bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) reward: f64,
}

/// Scores an architecture in a process of its own.
///
/// # Errors
/// If the program fails.
pub(crate) fn score(root: &Path, program: &Call, job: &Job<'_>) -> anyhow::Result<Scored> {
    let numbers = [job.images, job.side, job.budget_mib, job.epochs].map(|number| number.to_string());
    let call = program.clone().args(numbers.iter().map(String::as_str)).arg(job.net);
    eprintln!("$ {call}");
    parse(&watch(&call, root)?.stdout).with_context(|| format!("`{call}`"))
}

fn parse(output: &str) -> anyhow::Result<Scored> {
    let line = output.trim().lines().next_back().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("no figures in what it printed: `{line}`"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const LINE: &str = r#"{"net":"[C(16,3,1,1,1), SM(10)]","images":11000,"features":1600,"embedding_bytes":70400000,"rows":"memory","chunk":215,"budget_bytes":268435456,"program_bytes":4194304,"loaded_bytes":67108864,"peak_bytes":134217728,"seconds":1.5,"reward":0.5}"#;

    #[test]
    fn what_the_example_prints_is_read() {
        let scored = parse(&format!("{LINE}\n")).unwrap();
        assert_eq!((scored.rows.as_str(), scored.chunk, scored.seconds), ("memory", 215, 1.5));
        assert!(parse("usage").unwrap_err().to_string().contains("`usage`"));
    }

    #[cfg(unix)]
    #[test]
    fn a_job_becomes_the_arguments_of_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("[ \"$*\" = '10 28 256 5 [SM(10)]' ] && echo '{LINE}'");
        let program = Call::new("sh", ["-c", &script, "sh"]);
        let job = Job { images: 10, side: 28, budget_mib: 256, epochs: 5, net: "[SM(10)]" };
        assert_eq!(score(folder.path(), &program, &job).unwrap().features, 1600);
        assert!(score(folder.path(), &program, &Job { images: 11, ..job }).is_err());
    }
}
