//! `cargo xtask soak`: kills, cuts, damages and starves the programs, and looks at what is left.
//!
//! A job survives a try if it ends, perhaps after a resume, with the same files as an undisturbed run and leaves no other ones
//! behind, or if it is refused by a message that names the file. `docs/reliability.md` has the figures.

mod attacks;
mod jobs;
mod memory;

use crate::bench::programs::built;
use crate::process::Call;
use anyhow::bail;
use attacks::{Attack, Bench};
use clap::ValueEnum;
use jobs::{Job, jobs};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// What to attack, and for how long.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Only these attacks
    #[arg(long, value_delimiter = ',', value_name = "ATTACK,…")]
    only: Vec<Attack>,
    /// Only the jobs whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    job: String,
    /// Most tries of an attack on a job, spread over all of them; a full soak takes hours
    #[arg(long, value_name = "N")]
    tries: Option<usize>,
    /// The form of CI: about three minutes
    #[arg(long, conflicts_with_all = ["only", "tries"])]
    short: bool,
    /// Instead, runs of 20,000 candidates with an evaluation that takes no time: time, memory and bytes of each
    #[arg(long, conflicts_with_all = ["only", "tries", "short"])]
    long: bool,
    /// Of the moments at which a job is killed
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Attacks of `--short`, with tries for each job.
const SHORT: [(Attack, usize); 6] = [
    (Attack::Calls, 6),
    (Attack::Moments, 4),
    (Attack::Cuts, 4),
    (Attack::Flips, 4),
    (Attack::FullDisk, 4),
    (Attack::Signals, 3),
];

impl Arguments {
    /// Those of CI.
    pub(crate) fn short() -> Self {
        Self { short: true, ..Self::default() }
    }
}

/// What became of the tries of one attack on one job.
#[derive(Clone, Debug, Default)]
struct Row {
    attack: String,
    job: &'static str,
    tried: usize,
    survived: usize,
    faults: Vec<String>,
    note: String,
}

/// Builds the programs, attacks them and prints a table.
///
/// # Errors
/// If a program does not build, an undisturbed job fails, or a try finds a fault.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.long {
        return Call::cargo(["bench", "-p", "dpnas", "--features", "report", "--bench", "long_run"]).run(root);
    }
    if !cfg!(target_os = "linux") {
        bail!("soak needs Linux: it lets system calls fail with strace");
    }
    // As the README's test command builds them, so that a check of both builds them once.
    let test = ["test", "--workspace", "--no-run", "--test", "programs", "--message-format=json-render-diagnostics"];
    let search = built(root, Call::cargo(test), "search")?;
    let folder = Path::new(search.program()).parent().map(Path::to_owned).unwrap_or_default();
    let work = tempfile::Builder::new().prefix("dpnas-soak-").tempdir()?;
    let bench = Bench { programs: &folder, work: work.path(), seed: arguments.seed };
    let attacks: Vec<(Attack, usize)> = match (arguments.short, &arguments.only[..]) {
        (true, _) => SHORT.to_vec(),
        (false, []) => Attack::value_variants().iter().map(|&attack| (attack, attack.tries())).collect(),
        (false, only) => only.iter().map(|&attack| (attack, attack.tries())).collect(),
    };
    let start = Instant::now();
    let jobs: Vec<Job> = jobs().into_iter().filter(|job| job.name.contains(&arguments.job)).collect();
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    // The programs have one thread each, and sleep while they are attacked: two jobs at a time.
    let work = || -> anyhow::Result<()> {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let reference = bench.reference(job)?;
            for &(attack, tries) in attacks.iter().filter(|(attack, _)| attack.applies(job)) {
                let row = bench.attack(job, &reference, attack, arguments.tries.unwrap_or(tries))?;
                eprintln!("{} s: {}", start.elapsed().as_secs(), line(&row));
                row.faults.iter().for_each(|fault| eprintln!("  FAULT: {fault}"));
                rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
            }
        }
        Ok(())
    };
    let ended = thread::scope(|scope| [scope.spawn(work), scope.spawn(work)].map(|thread| thread.join()));
    for result in ended {
        result.unwrap_or_else(|_| bail!("the soak panicked"))?;
    }
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|row| jobs.iter().position(|job| job.name == row.job));
    println!("| attack | job | tried | survived | faults | |\n|---|---|---:|---:|---:|---|");
    rows.iter().for_each(|row| println!("{}", line(row)));
    match rows.iter().map(|row| row.faults.len()).sum::<usize>() {
        _ if rows.is_empty() => bail!("no job has a name with `{}`", arguments.job),
        0 => Ok(()),
        faults => bail!("{faults} faults"),
    }
}

fn line(row: &Row) -> String {
    let Row { attack, job, tried, survived, faults, note } = row;
    format!("| {attack} | {job} | {tried} | {survived} | {} | {note} |", faults.len())
}
