//! How jobs are attacked, and when a try counts as a fault.

use super::Row;
use super::jobs::{Files, Job, Kind, files, said};
use anyhow::{Context, bail};
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A way to disturb a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attack {
    /// SIGKILL at a system call that changes a file
    Calls,
    /// SIGKILL at any moment
    Moments,
    /// The journal ends within one of its last three records
    Cuts,
    /// A bit is flipped in a file of an unfinished run, or of a stored embedding
    Flips,
    /// A system call that needs space fails: the disk is full
    FullDisk,
    /// SIGINT, SIGTERM or SIGHUP at any moment
    Signals,
    /// The power is cut: what an ext4 image holds at any moment (root)
    PowerCuts,
    /// Eight processes share a cache
    Processes,
    /// Architectures up to a thousand times what a small control group has (root)
    Memory,
}

/// Calls that change files. Those of `NEEDING_SPACE` come first.
const CALLS: [&str; 14] = [
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "ftruncate",
    "mkdir",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "link",
    "linkat",
    "rmdir",
];
const NEEDING_SPACE: usize = 6;

/// Longest time from a signal to the end of a program.
const PROMPT: Duration = Duration::from_secs(2);

impl Attack {
    /// Tries of a full soak on each job; `usize::MAX` is every place.
    pub(crate) fn tries(self) -> usize {
        match self {
            Self::Calls | Self::Cuts | Self::Flips | Self::FullDisk => usize::MAX,
            Self::Moments => 63,
            Self::Signals => 8,
            Self::PowerCuts => 17,
            Self::Processes => 1,
            Self::Memory => super::memory::TRIES,
        }
    }

    /// Whether a job can be attacked in this way.
    pub(crate) fn applies(self, job: &Job) -> bool {
        match self {
            Self::Cuts => matches!(job.kind, Kind::Run { .. }),
            Self::Processes => job.name == "search",
            Self::Memory => job.name == "full training",
            Self::PowerCuts => ["search", "score", "embed"].contains(&job.name),
            _ => true,
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Where the programs are, and where they work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) programs: &'a Path,
    pub(crate) work: &'a Path,
    pub(crate) seed: u64,
}

/// An undisturbed job.
pub(crate) struct Reference {
    files: Files,
    /// Everything in the place at the end.
    all: Files,
    time: Duration,
    /// Number of each system call.
    calls: BTreeMap<&'static str, usize>,
}

impl Bench<'_> {
    fn place(&self, job: &Job) -> PathBuf {
        self.work.join(job.name.replace(' ', "-"))
    }

    pub(super) fn fresh(&self, job: &Job) -> anyhow::Result<PathBuf> {
        let place = self.place(job);
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        job.prepare(self.programs, &place)?;
        Ok(place)
    }

    /// Runs a job twice without disturbance: once under strace, to count its system calls.
    pub(crate) fn reference(&self, job: &Job) -> anyhow::Result<Reference> {
        let place = self.fresh(job)?;
        let trace = self.work.join(format!("{}.trace", job.name.replace(' ', "-")));
        let under = strace(&[format!("trace={}", CALLS.join(","))], &trace);
        let output = job.start(self.programs, &place, &under).output().context("strace does not start: install it")?;
        if !output.status.success() {
            bail!("the undisturbed job `{}` failed: {}", job.name, said(&output));
        }
        let text = fs::read_to_string(&trace)?;
        let count =
            |call: &'static str| (call, text.lines().filter(|line| line.contains(&format!(" {call}("))).count());
        let calls = CALLS.into_iter().map(count).filter(|(_, count)| *count > 0).collect();
        let (first, left) = job.files(&place)?;
        let place = self.fresh(job)?;
        let start = Instant::now();
        let output = job.start(self.programs, &place, &[]).output()?;
        let time = start.elapsed();
        let (second, _) = job.files(&place)?;
        if !output.status.success() || first != second || !left.is_empty() {
            bail!("two undisturbed runs of `{}` differ, or leave {left:?}: {}", job.name, said(&output));
        }
        Ok(Reference { files: first, all: files(&place)?, time, calls })
    }

    /// Attacks a job `most` times, at places spread over all of them.
    pub(crate) fn attack(&self, job: &Job, reference: &Reference, attack: Attack, most: usize) -> anyhow::Result<Row> {
        let mut row = Row { attack: attack.name(), job: job.name, ..Row::default() };
        let mut random = Random(self.seed ^ 0x9e37_79b9_7f4a_7c15);
        match attack {
            Attack::Calls | Attack::FullDisk => {
                let calls = if attack == Attack::Calls { &CALLS[..] } else { &CALLS[..NEEDING_SPACE] };
                let effect = if attack == Attack::Calls { "signal=SIGKILL" } else { "error=ENOSPC" };
                let places: Vec<(&str, usize)> = calls
                    .iter()
                    .flat_map(|call| {
                        (1..=reference.calls.get(call).copied().unwrap_or(0)).map(move |number| (*call, number))
                    })
                    .collect();
                row.note = format!("{} calls", places.len());
                for (call, number) in spread(&places, most) {
                    let place = self.fresh(job)?;
                    let trace = place.with_extension("trace");
                    let inject = format!("inject={call}:{effect}:when={number}");
                    let under = strace(&[format!("trace={call}"), inject], &trace);
                    let status = job.start(self.programs, &place, &under).output()?;
                    if attack == Attack::FullDisk && status.status.code().is_none_or(|code| code > 2) {
                        row.fault(format!("{call} {number}: {}", said(&status)));
                        continue;
                    }
                    self.judge(job, &place, reference, &mut row, &format!("{call} {number}"))?;
                }
            }
            Attack::Moments | Attack::Signals => {
                for number in 0..most {
                    let place = self.fresh(job)?;
                    let mut child = quiet(job.start(self.programs, &place, &[]))?;
                    thread::sleep(reference.time.mul_f64(random.unit()));
                    let signal = match attack {
                        Attack::Moments => "KILL",
                        _ => ["INT", "TERM", "HUP"][number % 3],
                    };
                    // The child may have ended.
                    let _ = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).output();
                    let (status, time) = ended(&mut child)?;
                    let expected =
                        [("INT", 130), ("TERM", 143), ("HUP", 129)].into_iter().find(|(name, _)| *name == signal);
                    let orderly = expected.is_none_or(|(_, code)| [Some(0), Some(code)].contains(&status.code()));
                    // Before its handlers are there, a signal ends a program as any other.
                    let early = status.code().is_none() && job.run_folder(&place).is_none();
                    if attack == Attack::Signals && (!(orderly || early) || time > PROMPT) {
                        row.fault(format!("{signal}: {status} after {:.1} s", time.as_secs_f64()));
                        continue;
                    }
                    self.judge(job, &place, reference, &mut row, signal)?;
                }
            }
            Attack::Cuts => self.cuts(job, reference, most, &mut row)?,
            Attack::Flips => self.flips(job, reference, most, &mut row)?,
            Attack::PowerCuts => self.power_cuts(job, reference, most, &mut random, &mut row)?,
            Attack::Processes => self.processes(job, reference, &mut row)?,
            Attack::Memory => self.memory(job, most, &mut row)?,
        }
        Ok(row)
    }

    /// Lets a disturbed job go on, and compares its files.
    fn judge(&self, job: &Job, place: &Path, reference: &Reference, row: &mut Row, what: &str) -> anyhow::Result<()> {
        if job.kind == Kind::Embedding {
            let stored = place.join("stored");
            if stored.exists() && !stored.join("manifest.json").is_file() {
                row.fault(format!("{what}: half an embedding stands at the target"));
                return Ok(());
            }
            if !stored.exists() && job.replaces() {
                row.fault(format!("{what}: nothing stands at the target"));
                return Ok(());
            }
            if stored.exists() && !job.replaces() {
                // Begun again, it would be refused.
                fs::remove_dir_all(stored)?;
            }
        }
        let output = job.go_on(self.programs, place)?;
        if !output.status.success() {
            row.fault(format!("{what}: cannot go on, {}", said(&output)));
            return Ok(());
        }
        let (now, left) = job.files(place)?;
        let differs = now.iter().chain(&reference.files).find(|(name, _)| now.get(*name) != reference.files.get(*name));
        match (differs, left.first()) {
            (Some((name, _)), _) => row.fault(format!("{what}: {name} differs")),
            (_, Some(name)) => row.fault(format!("{what}: {name} is left")),
            _ => row.survived(),
        }
        Ok(())
    }

    /// Cuts the journal at bytes of its last three records, of a run that lost the files that follow from it.
    fn cuts(&self, job: &Job, reference: &Reference, most: usize, row: &mut Row) -> anyhow::Result<()> {
        let place = self.fresh(job)?;
        restore(&place, &reference.all)?;
        let path = job.journal(&place).context("the job has no journal")?;
        let text = fs::read(&path)?;
        let start =
            text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').nth(3).map_or(0, |(at, _)| at + 1);
        for cut in spread(&(start..text.len()).collect::<Vec<_>>(), most) {
            restore(&place, &reference.all)?;
            fs::write(&path, &text[..cut])?;
            // The embedding would be refused, as it stands there.
            let _ = fs::remove_dir_all(place.join("stored"));
            self.judge(job, &place, reference, row, &format!("cut at {cut} of {}", text.len()))?;
        }
        Ok(())
    }

    /// Flips a bit in every 64th byte of every file of the place, after the run lost its last two records.
    fn flips(&self, job: &Job, reference: &Reference, most: usize, row: &mut Row) -> anyhow::Result<()> {
        let place = self.fresh(job)?;
        let mut all = reference.all.clone();
        if let Kind::Run { journal } = job.kind {
            // A finished run has nothing more to compute from what is damaged.
            for (_, text) in all.iter_mut().filter(|(name, _)| name.ends_with(journal)) {
                let end =
                    text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').nth(2).map(|(at, _)| at + 1);
                text.truncate(end.unwrap_or(text.len()));
            }
            all.retain(|name, _| !name.starts_with("stored/"));
        }
        // What follows from the journal is not read; and of many entries of the cache, the smallest.
        let follows = ["log.txt", ".svg", ".png", ".html", ".csv", ".json", ".safetensors"];
        let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, bytes) in all.iter().filter(|(_, bytes)| !bytes.is_empty()) {
            let kind = if name.contains("cache/") { "cache" } else { name };
            let decides = job.kind == Kind::Embedding || name.ends_with("last.safetensors");
            if decides || !follows.iter().any(|end| name.ends_with(end)) {
                let smallest = kinds.entry(kind).or_insert(name);
                if bytes.len() < all[*smallest].len() {
                    *smallest = name;
                }
            }
        }
        let of_file = |name: &&str| {
            let bytes: Vec<usize> = (0..all[*name].len()).step_by(64).collect();
            spread(&bytes, most).into_iter().map(|byte| ((*name).to_owned(), byte)).collect::<Vec<_>>()
        };
        let places: Vec<(String, usize)> = kinds.values().flat_map(of_file).collect();
        row.note = format!("{} files", kinds.len());
        for (name, byte) in places {
            restore(&place, &all)?;
            let mut bytes = all[&name].clone();
            bytes[byte] ^= 1 << (byte / 64 % 8);
            fs::write(place.join(&name), &bytes)?;
            let what = format!("byte {byte} of {name}");
            if job.kind == Kind::Embedding {
                let verify =
                    Command::new(self.programs.join("embed")).arg("--verify").arg(place.join("stored")).output()?;
                match verify.status.code() {
                    Some(1) => row.survived(),
                    _ => row.fault(format!("{what}: not noticed, {}", said(&verify))),
                }
                continue;
            }
            let output = job.go_on(self.programs, &place)?;
            let file = name.rsplit('/').next().unwrap_or_default();
            if output.status.code() == Some(1) && String::from_utf8_lossy(&output.stderr).contains(file) {
                row.survived();
                continue;
            }
            // Not read, such as the checkpoint of a draw that the journal has.
            if fs::read(place.join(&name)).is_ok_and(|now| now == bytes) {
                fs::write(place.join(&name), &all[&name])?;
            }
            let _ = fs::remove_dir_all(place.join("stored"));
            self.judge(job, &place, reference, row, &what)?;
        }
        Ok(())
    }

    /// Copies the image of a file system while a job runs on it: this is what the disk holds when the power is cut.
    fn power_cuts(
        &self,
        job: &Job,
        reference: &Reference,
        most: usize,
        random: &mut Random,
        row: &mut Row,
    ) -> anyhow::Result<()> {
        let mount = self.place(job);
        let (image, cut) = (mount.with_extension("img"), mount.with_extension("cut"));
        if mount.exists() {
            fs::remove_dir_all(&mount)?;
        }
        fs::create_dir_all(&mount)?;
        for number in 0..most {
            let _ = fs::remove_file(&image);
            fs::File::create(&image)?.set_len(64 << 20)?;
            let loops = sh(&format!("mkfs.ext4 -q -F {0} && mount -o loop {0} {1}", image.display(), mount.display()))?;
            if !loops {
                row.note = "left out: it needs root, mkfs.ext4 and loop devices".to_owned();
                return Ok(());
            }
            job.prepare(self.programs, &mount)?;
            sh("sync")?;
            let mut child = quiet(job.start(self.programs, &mount, &[]))?;
            thread::sleep(reference.time.mul_f64(1.2 * random.unit()));
            // Stopped, because a copy takes time and a cut does not.
            let _ = Command::new("kill").args(["-STOP", &child.id().to_string()]).output();
            fs::copy(&image, &cut)?;
            child.kill()?;
            child.wait()?;
            sh(&format!("umount {}", mount.display()))?;
            if !sh(&format!("mount -o loop {} {}", cut.display(), mount.display()))? {
                bail!("the copy of the disk cannot be mounted");
            }
            let _ = fs::remove_dir_all(mount.join("lost+found"));
            let judged = self.judge(job, &mount, reference, row, &format!("power cut {number}"));
            sh(&format!("umount {}", mount.display()))?;
            judged?;
        }
        Ok(())
    }

    /// Eight processes, whose caches have different budgets, for as many rounds as take a minute.
    fn processes(&self, job: &Job, reference: &Reference, row: &mut Row) -> anyhow::Result<()> {
        let start = Instant::now();
        let shared = self.work.join("shared-cache");
        while start.elapsed() < Duration::from_secs(60) {
            let run = |number: usize| -> anyhow::Result<(PathBuf, Child)> {
                let place = self.work.join(format!("process-{number}"));
                let _ = fs::remove_dir_all(&place);
                fs::create_dir_all(&place)?;
                let mut command = job.start(self.programs, &place, &[]);
                command.arg("--cache").arg(&shared).args(["--cache-budget", &format!("{}MiB", number % 4 + 1)]);
                Ok((place, quiet(command)?))
            };
            let processes = (0..8).map(run).collect::<anyhow::Result<Vec<_>>>()?;
            for (place, mut child) in processes {
                let (status, _) = ended(&mut child)?;
                let (now, _) = job.files(&place)?;
                match status.success() && now == reference.files {
                    true => row.survived(),
                    false => row.fault(format!("{}: {status}, or other files", place.display())),
                }
            }
        }
        let left = files(&shared)?;
        if let Some(name) = left.keys().find(|name| name.contains("writing")) {
            row.fault(format!("{name} is left in the cache"));
        }
        Ok(())
    }
}

impl Row {
    pub(super) fn survived(&mut self) {
        self.tried += 1;
        self.survived += 1;
    }

    pub(super) fn fault(&mut self, fault: String) {
        self.tried += 1;
        self.faults.push(fault);
    }
}

/// Numbers that look random, and are the same for a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) as f64 / u64::MAX as f64
    }
}

fn strace(expressions: &[String], to: &Path) -> Vec<String> {
    let mut words = vec!["strace".to_owned(), "-f".into(), "-qq".into(), "-o".into(), to.display().to_string()];
    words.extend(expressions.iter().flat_map(|expression| ["-e".to_owned(), expression.clone()]));
    words
}

/// At most `most` of the places, at equal distances.
pub(super) fn spread<T: Clone>(places: &[T], most: usize) -> Vec<T> {
    let count = places.len().min(most);
    (0..count).map(|number| places[number * places.len() / count].clone()).collect()
}

fn quiet(mut command: Command) -> anyhow::Result<Child> {
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

/// Waits for a child, and says how long that took.
fn ended(child: &mut Child) -> anyhow::Result<(ExitStatus, Duration)> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(120) {
        if let Some(status) = child.try_wait()? {
            return Ok((status, start.elapsed()));
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    Ok((child.wait()?, start.elapsed()))
}

fn sh(line: &str) -> anyhow::Result<bool> {
    Ok(Command::new("sh").args(["-c", line]).stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
}

/// Makes a place what it was.
fn restore(place: &Path, all: &Files) -> anyhow::Result<()> {
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    for (name, bytes) in all {
        let path = place.join(name);
        fs::create_dir_all(path.parent().unwrap_or(place))?;
        fs::write(path, bytes)?;
    }
    Ok(())
}
