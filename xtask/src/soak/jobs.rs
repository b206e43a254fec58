//! What is attacked: small jobs of every program, in seconds.

use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A job with the files that it promises.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) name: &'static str,
    program: &'static str,
    /// `PLACE` is the folder of the try.
    arguments: Vec<&'static str>,
    /// What must stand in the place before the job begins.
    before: Option<Vec<&'static str>>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It leaves a folder with this journal, and can be resumed.
    Run { journal: &'static str },
    /// It stores an embedding; begun again, it starts from nothing.
    Embedding,
}

/// Files by their paths within the place of a job.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

const NET: &str = "[C(16,3,1,1,1), P(2,2,0,0), SM(10)]";

/// Every job.
pub(crate) fn jobs() -> Vec<Job> {
    let search = Kind::Run { journal: "journal.jsonl" };
    let run = |name, program, kind, more: &[&'static str]| {
        let common = ["--epochs", "2", "--threads", "1", "--runs", "PLACE/runs", "--cache", "PLACE/cache"];
        Job { name, program, arguments: [&common, more].concat(), before: None, kind }
    };
    let few = ["--limit-train", "300", "--budget", "9"];
    let embed = ["--net", NET, "--limit-train", "60", "--output", "PLACE/stored"];
    let of_strategy = |name, more: &[&'static str]| run(name, "search", search, &[&few, more].concat());
    vec![
        of_strategy("search", &["--strategy", "q-learning"]),
        of_strategy("search with rungs", &["--strategy", "evolution", "--rungs", "100:ridge"]),
        of_strategy("search with an ensemble", &["--strategy", "predictor", "--ensemble", "2", "--budget", "4"]),
        run(
            "full training",
            "score",
            Kind::Run { journal: "scores.jsonl" },
            &["--full-training", "--net", "[C(8,3,1,1,1), P(4,4,0,0), SM(10)]", "--draws", "2", "--limit-train", "100"],
        ),
        run(
            "score",
            "score",
            Kind::Run { journal: "scores.jsonl" },
            &["--net", NET, "--draws", "3", "--limit-train", "300", "--store-embedding", "PLACE/stored"],
        ),
        Job {
            name: "continual",
            program: "continual",
            arguments: vec![
                "--net",
                NET,
                "--limit-train",
                "300",
                "--steps",
                "5x2",
                "--draws",
                "2",
                "--methods",
                "ridge,slda,replay",
                "--orders",
                "1",
                "--threads",
                "1",
                "--runs",
                "PLACE/runs",
                "--cache",
                "off",
                "--epochs",
                "1",
            ],
            before: None,
            kind: Kind::Run { journal: "continual.jsonl" },
        },
        Job { name: "embed", program: "embed", arguments: embed.to_vec(), before: None, kind: Kind::Embedding },
        Job {
            name: "embed --overwrite",
            program: "embed",
            arguments: [&embed[..], &["--overwrite"]].concat(),
            before: Some([&embed[..], &["--weight-seed", "5"]].concat()),
            kind: Kind::Embedding,
        },
    ]
}

impl Job {
    /// The command that begins the job in `place`, perhaps under another program.
    pub(crate) fn start(&self, programs: &Path, place: &Path, under: &[String]) -> Command {
        self.command(programs, place, &self.arguments, under)
    }

    /// Whether it replaces what stands in the place before.
    pub(crate) fn replaces(&self) -> bool {
        self.before.is_some()
    }

    /// Makes what must stand in the place before.
    pub(crate) fn prepare(&self, programs: &Path, place: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(place)?;
        let Some(before) = &self.before else { return Ok(()) };
        let output = self.command(programs, place, before, &[]).output()?;
        if output.status.success() { Ok(()) } else { bail!("{}: {}", self.name, said(&output)) }
    }

    fn command(&self, programs: &Path, place: &Path, arguments: &[&str], under: &[String]) -> Command {
        let program = programs.join(self.program).display().to_string();
        let arguments = arguments.iter().map(|text| text.replace("PLACE", &place.display().to_string()));
        let mut words = under.iter().cloned().chain([program]).chain(arguments);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).stdin(Stdio::null()).env("RUST_BACKTRACE", "0");
        command
    }

    /// Resumes the job in `place`, or begins it again where nothing can be resumed.
    pub(crate) fn go_on(&self, programs: &Path, place: &Path) -> anyhow::Result<Output> {
        let Kind::Run { journal } = self.kind else { return Ok(self.start(programs, place, &[]).output()?) };
        if let Some(run) = self.run_folder(place) {
            let mut resume = Command::new(programs.join(self.program));
            let output = resume.arg("--resume").arg(&run).stdin(Stdio::null()).env("RUST_BACKTRACE", "0").output()?;
            let text = String::from_utf8_lossy(&output.stderr);
            let nothing =
                [format!("it has no {journal}"), "it has no settings.toml".into(), "no complete first line".into()];
            if output.status.success() || !nothing.iter().any(|nothing| text.contains(nothing)) {
                return Ok(output);
            }
            fs::remove_dir_all(run)?;
        }
        Ok(self.start(programs, place, &[]).output()?)
    }

    /// The folder of the run in `place`.
    pub(crate) fn run_folder(&self, place: &Path) -> Option<PathBuf> {
        fs::read_dir(place.join("runs")).ok()?.flatten().map(|entry| entry.path()).find(|path| path.is_dir())
    }

    /// The journal of the run in `place`.
    pub(crate) fn journal(&self, place: &Path) -> Option<PathBuf> {
        let Kind::Run { journal } = self.kind else { return None };
        Some(self.run_folder(place)?.join(journal))
    }

    /// The files that must be the same after every run, with the name of the run's folder taken out, and the names of files that
    /// are there and should not be.
    pub(crate) fn files(&self, place: &Path) -> anyhow::Result<(Files, Vec<String>)> {
        let run = self.run_folder(place).and_then(|run| Some(run.file_name()?.to_string_lossy().into_owned()));
        let (mut kept, mut left) = (Files::new(), Vec::new());
        for (name, bytes) in files(place)? {
            if name.contains("writing") || name.contains(".replaced-") || name.ends_with(".held") {
                left.push(name.clone());
            }
            let varies = ["cache/", "log.txt", "report.html", "settings.toml", "manifest.json", ".jsonl"];
            if varies.iter().any(|end| name.ends_with(end) || name.starts_with(end)) {
                continue;
            }
            let (name, bytes) = match &run {
                Some(run) => (name.replace(run, "RUN"), without(&bytes, run.as_bytes())),
                None => (name, bytes),
            };
            kept.insert(name, bytes);
        }
        Ok((kept, left))
    }
}

/// Every file below a folder, by its path within it.
pub(crate) fn files(folder: &Path) -> anyhow::Result<Files> {
    let (mut found, mut open) = (Files::new(), vec![folder.to_owned()]);
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(&path).with_context(|| path.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name != ".lock") {
                found.insert(path.strip_prefix(folder)?.display().to_string(), fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

fn without(bytes: &[u8], word: &[u8]) -> Vec<u8> {
    let (mut left, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some(place) = rest.windows(word.len()).position(|window| window == word) {
        left.extend(&rest[..place]);
        rest = &rest[place + word.len()..];
    }
    left.extend(rest);
    left
}

/// The last lines that a program said.
pub(crate) fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.trim().lines().collect();
    format!("{}: {}", output.status, lines[lines.len().saturating_sub(4)..].join(" / "))
}
