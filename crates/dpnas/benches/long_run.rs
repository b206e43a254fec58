//! A weekend in minutes: runs of 20,000 candidates in a folder with an evaluation of a millisecond. Time, memory and bytes on disk
//! of a candidate should stay what they were, and renewing the picture should come to at most 2 % of the time.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints and reads the clock")]

use dpnas::prelude::*;
use dpnas::search::{Evolution, Predictor, Strategy};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Candidates of a row of the table.
const STEP: u64 = 5_000;

/// Rewards a net by its depth, after a millisecond.
struct Depth;

impl Evaluate for Depth {
    fn identity(&self) -> String {
        "depth".to_owned()
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        std::thread::sleep(Duration::from_millis(1));
        let reward = 0.2 + 0.01 * (candidate.net.layers().len() % 64) as f64;
        Ok(Outcome::Scored(Metrics {
            reward,
            train_flag: true,
            valid_accuracy: vec![0.1; 20],
            train_accuracy: vec![0.1; 20],
            test_accuracy: reward,
            test_accuracies: Vec::new(),
        }))
    }
}

/// Where the time goes, by the events of a run.
struct Watch {
    last: Instant,
    /// The run went through `SoFar` since the last outcome.
    renewed: bool,
    ordinary: (f64, u32),
    renewals: (f64, u32),
}

impl Watch {
    fn evaluating(&mut self) {
        let (seconds, count) = if self.renewed { &mut self.renewals } else { &mut self.ordinary };
        *seconds += self.last.elapsed().as_secs_f64();
        *count += 1;
        self.renewed = false;
    }

    /// Seconds in which CSV and picture were renewed: those above what asking takes otherwise.
    fn renewing(&self) -> f64 {
        let asking = self.ordinary.0 / f64::from(self.ordinary.1.max(1));
        self.renewals.0 - asking * f64::from(self.renewals.1)
    }
}

fn main() {
    println!(
        "| strategy | candidates | ms each | memory KiB each | disk bytes each | renewing % |\n|---|---:|---:|---:|---:|---:|"
    );
    // With less chance, Q-learning draws known architectures again.
    run("q-learning", "1.0:20000", None);
    run("evolution", "1.0:30,0.1:19970", Some(Arc::new(Evolution::default())));
    run("predictor", "1.0:30,0.1:19970", Some(Arc::new(Predictor::default())));
}

fn run(name: &str, schedule: &str, strategy: Option<Arc<dyn Strategy>>) {
    let runs = tempfile::tempdir().expect("a folder");
    let shape = ImageShape::square(1, 28);
    let space = SpaceSettings::small().check(shape, 10).expect("a preset suits 28x28 images");
    let schedule = schedule.parse().expect("it is a schedule");
    let settings = SearchSettings { schedule, ..SearchSettings::paper() };
    let search = match strategy {
        None => Search::new(space, settings, Seed(1)),
        Some(strategy) => Search::with_strategy(space, settings, strategy, Seed(1)),
    };
    let folder = RunFolder::create(runs.path(), "long", "").expect("a run folder");
    let path = folder.path().to_owned();
    let begun = Instant::now();
    let mut watch = Watch { last: begun, renewed: false, ordinary: (0.0, 0), renewals: (0.0, 0) };
    let mut before = (0.0, resident_kib(), 0);
    let mut told = 0;
    let hook = |event: &RunEvent<'_>| {
        match event {
            RunEvent::SoFar { .. } => watch.renewed = true,
            RunEvent::Evaluating { .. } => watch.evaluating(),
            RunEvent::Told { .. } => {
                told += 1;
                if told % STEP == 0 {
                    let now = (begun.elapsed().as_secs_f64(), resident_kib(), bytes(&path));
                    let each = |before: f64, now: f64| (now - before) / STEP as f64;
                    let (ms, disk) = (1e3 * each(before.0, now.0), each(before.2 as f64, now.2 as f64));
                    let (memory, share) = (each(before.1, now.1), 100.0 * watch.renewing() / (now.0 - before.0));
                    (watch.ordinary, watch.renewals) = ((0.0, 0), (0.0, 0));
                    println!("| `{name}` | {told} | {ms:.2} | {memory:.2} | {disk:.0} | {share:.2} |");
                    before = now;
                }
                watch.last = Instant::now();
            }
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let search = search.expect("the settings are valid");
    Runner::new(search, Depth).in_folder(folder).with_hook(hook).run().expect("nothing stops the run");
}

/// Bytes of the files of a folder.
fn bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).expect("the folder").flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Resident memory of this process; 0 where the system does not tell.
fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0.0)
}
