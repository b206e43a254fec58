//! Compares the strategies of a search over seeds, for `docs/science.md`.
//!
//! ```sh
//! cargo xtask study strategies --out study -- --dataset GLYPHS --limit-train 4000 --epochs 20 --budget 100
//! ```
//! A strategy may have options of its own, such as `--strategies "random,predictor,predictor --rungs auto --budget 200"`.
//! Every strategy searches with every seed, and the best architecture of each search is scored with fresh weights, because
//! the reward that it was chosen by is biased upward. A study that was stopped goes on where it was. It runs the programs
//! `search` and `score` that lie in its own folder or the one above.
//!
//! # Source
//! Lindauer and Hutter, Best practices for scientific research on neural architecture search, arXiv 1909.02453.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use dpnas::report::{Curve, CurveGroup, CurveKind, CurvesPlot};
use dpnas::{Summary, read_replay_buffer};
use dpnas_examples::session::quoted;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Compare the strategies of a search over seeds.
#[derive(Parser)]
struct Arguments {
    /// Folder of the study; what is there is not run again
    #[arg(long)]
    out: PathBuf,
    /// Strategies, the first of which the others are compared with; each may be followed by options of its searches
    #[arg(long, value_delimiter = ',', default_value = "random,q-learning,evolution,predictor")]
    strategies: Vec<String>,
    /// Number of seeds, from 0
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// Fresh draws of the weights of each chosen architecture
    #[arg(long, default_value_t = 5)]
    draws: u32,
    /// Run nothing, and summarise the seeds that every strategy has
    #[arg(long)]
    summary: bool,
    /// Further options of the searches
    #[arg(last = true)]
    search: Vec<String>,
}

/// One search and the scores of its best architecture.
#[derive(Serialize, Deserialize)]
struct Outcome {
    command: String,
    net: String,
    reward: f64,
    /// Rewards in the order of the journal, with the seconds of the search until then.
    rewards: Vec<(f64, f64)>,
    /// Test accuracy of each fresh draw.
    tests: Vec<f64>,
    /// Of the search; resumptions are added.
    seconds: f64,
}

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(!arguments.strategies.is_empty() && arguments.draws > 0, "a study needs strategies and draws");
    let mut complete: Vec<Vec<Outcome>> = Vec::new();
    for seed in 0..arguments.seeds {
        let outcomes: Option<Vec<Outcome>> =
            arguments.strategies.iter().map(|strategy| outcome(&arguments, strategy, seed)).collect::<Result<_>>()?;
        complete.extend(outcomes);
    }
    ensure!(!complete.is_empty(), "no seed has a search by every strategy yet");
    println!("{}", table(&arguments, &complete));
    for (plot, name) in pictures(&arguments, &complete).iter().zip(["regret", "regret_by_time"]) {
        let svg = plot.draw().context("the curves have no points")?;
        fs::write(arguments.out.join(format!("{name}.svg")), svg.as_str())?;
        fs::write(arguments.out.join(format!("{name}.png")), svg.to_png(2.0)?)?;
    }
    Ok(())
}

/// Reads the outcome of a search, or runs what is missing of it; `None` if it is missing and nothing may run.
#[expect(clippy::disallowed_methods, reason = "clock: the seconds of a search")]
fn outcome(arguments: &Arguments, strategy: &str, seed: u64) -> Result<Option<Outcome>> {
    let name = strategy.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let folder = arguments.out.join(format!("{name}-{seed}"));
    let (file, clock) = (folder.join("outcome.json"), folder.join("seconds.txt"));
    let seed = seed.to_string();
    let mut options: Vec<&str> = arguments.search.iter().map(String::as_str).collect();
    options.extend(["--seed", &seed, "--strategy"]);
    options.extend(strategy.split_whitespace());
    let command = format!("search {}", options.join(" "));
    if let Ok(text) = fs::read_to_string(&file) {
        let outcome: Outcome = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        ensure!(outcome.command == command, "{} is of `{}`; use another --out", folder.display(), outcome.command);
        return Ok(Some(outcome));
    }
    if arguments.summary {
        return Ok(None);
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let runs = folder.to_string_lossy();
    let begun = fs::read_dir(&folder)?.filter_map(Result::ok).find(|entry| entry.path().join("journal.jsonl").exists());
    let start = Instant::now();
    let found = match begun {
        Some(begun) => program("search", &["--resume", &begun.path().to_string_lossy(), "--cache", "off"]),
        // A limit of time, so that the journal has the seconds.
        None => program("search", &[&options[..], &["--time", "1000h", "--runs", &runs, "--cache", "off"]].concat()),
    };
    let earlier = fs::read_to_string(&clock).ok().and_then(|text| text.trim().parse::<f64>().ok()).unwrap_or(0.0);
    let seconds = earlier + start.elapsed().as_secs_f64();
    fs::write(&clock, format!("{seconds}\n"))?;
    let found = found?;
    let (run, net) = (text(&found, "/run")?, text(&found, "/best/net")?);
    ensure!(text(&found, "/stop")? == "completed", "{run} did not complete: {}", found["stop"]);

    let path = Path::new(run).join("replay_buffer.csv");
    let rows = read_replay_buffer(File::open(&path)?, &path)?;
    let best = rows.iter().position(|row| row.net == net).context("the best architecture has a row")?.to_string();
    // Data, encoder and classifier are those of the run. Draw 0 has the weights of the search.
    let draws = (arguments.draws + 1).to_string();
    let fresh = ["--replay-buffer", run, "--index", &best, "--draws", &draws, "--runs", &runs, "--cache", "off"];
    let scores = program("score", &fresh)?;
    let tests = scores["results"].as_array().context("`score` gives results")?.iter().skip(1);
    let outcome = Outcome {
        command,
        net: net.to_owned(),
        reward: found["best"]["reward"].as_f64().context("a best architecture has a reward")?,
        rewards: rewards(Path::new(run))?,
        tests: tests
            .map(|draw| draw["test_accuracy"].as_f64().context("a draw was not scored"))
            .collect::<Result<_>>()?,
        seconds,
    };
    fs::write(folder.join("outcome.part"), serde_json::to_string_pretty(&outcome)?)?;
    fs::rename(folder.join("outcome.part"), &file)?;
    Ok(Some(outcome))
}

/// The rewards of a run's journal, with the seconds of the search until then.
fn rewards(run: &Path) -> Result<Vec<(f64, f64)>> {
    let journal = fs::read_to_string(run.join("journal.jsonl"))?;
    let events = journal.lines().map(serde_json::from_str::<Value>);
    let scored = events.filter_map(|event| match event {
        Ok(event) => Some(Ok((event["seconds"].as_f64()?, event["reward"].as_f64()?))),
        Err(error) => Some(Err(error.into())),
    });
    scored.collect()
}

fn text<'a>(json: &'a Value, pointer: &str) -> Result<&'a str> {
    json.pointer(pointer).and_then(Value::as_str).with_context(|| format!("there is no {pointer} in {json}"))
}

/// Runs a program with `--json`.
#[expect(clippy::print_stderr, reason = "a program for the terminal")]
fn program(name: &str, options: &[&str]) -> Result<Value> {
    let own = std::env::current_exe()?;
    let path = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.exists());
    let path = path.with_context(|| format!("`{name}` does not lie beside {}", own.display()))?;
    let words: Vec<String> = options.iter().map(|word| quoted(word.as_ref())).collect();
    eprintln!("$ {name} {}", words.join(" "));
    let output =
        Command::new(path).args(options).arg("--json").stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("`{name}` ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("`{name}` printed no JSON"))
}

/// A row for each strategy; differences to the first one are paired by seed.
fn table(arguments: &Arguments, seeds: &[Vec<Outcome>]) -> String {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let test = |outcome: &Outcome| mean(&outcome.tests);
    let of = |place: usize, measure: &dyn Fn(&Outcome) -> f64| -> Vec<f64> {
        seeds.iter().map(|outcomes| measure(&outcomes[place])).collect()
    };
    let versus = |place: usize, measure: &dyn Fn(&Outcome) -> f64| {
        let (own, first) = (of(place, measure), of(0, measure));
        let points: Vec<f64> = own.iter().zip(&first).map(|(own, first)| 100.0 * (own - first)).collect();
        let higher = points.iter().filter(|difference| **difference > 0.0).count();
        let interval = Summary::of(&points).and_then(|summary| summary.interval);
        let interval = interval.map(|(low, high)| format!(" ({low:+.1} to {high:+.1})")).unwrap_or_default();
        format!("{:+.1}{interval}, {higher} of {}", mean(&points), points.len())
    };
    // The share of the first strategy's time after which its best reward is reached.
    let overtakes = |place: usize| {
        let share = |outcomes: &Vec<Outcome>| {
            let (own, first) = (&outcomes[place], &outcomes[0]);
            own.rewards.iter().find(|(_, reward)| *reward >= first.reward).map(|(at, _)| at / first.seconds)
        };
        let mut shares: Vec<f64> = seeds.iter().map(|outcomes| share(outcomes).unwrap_or(f64::INFINITY)).collect();
        shares.sort_by(f64::total_cmp);
        let reached = shares.iter().filter(|share| share.is_finite()).count();
        format!("{:.2}, {reached} of {}", shares[shares.len() / 2], shares.len())
    };
    let first = &arguments.strategies[0];
    let mut text = format!(
        "{} seeds, {} fresh draws\n\n| strategy | best reward | to `{first}`, points | test accuracy of fresh draws | \
         to `{first}`, points | mean of the last 20 | s | its best reward after this share of its time (median), seeds |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
        seeds.len(),
        arguments.draws
    );
    for (place, strategy) in arguments.strategies.iter().enumerate() {
        let last = |outcome: &Outcome| {
            let rewards = outcome.rewards.iter().rev().take(20).map(|(_, reward)| *reward);
            mean(&rewards.collect::<Vec<_>>())
        };
        let [to_reward, to_test, overtakes] = if place == 0 {
            [String::new(), String::new(), String::new()]
        } else {
            [versus(place, &|outcome| outcome.reward), versus(place, &test), overtakes(place)]
        };
        text += &format!(
            "| `{strategy}` | {:.4} | {to_reward} | {:.4} | {to_test} | {:.3} | {:.0} | {overtakes} |\n",
            mean(&of(place, &|outcome| outcome.reward)),
            mean(&of(place, &test)),
            mean(&of(place, &last)),
            mean(&of(place, &|outcome| outcome.seconds)),
        );
    }
    text +=
        "\n| seed | strategy | best reward | test accuracy of fresh draws | architecture |\n|---:|---|---:|---|---|\n";
    for (seed, outcomes) in seeds.iter().enumerate() {
        for (strategy, outcome) in arguments.strategies.iter().zip(outcomes) {
            let tests: Vec<String> = outcome.tests.iter().map(|test| format!("{test:.4}")).collect();
            text += &format!(
                "| {seed} | `{strategy}` | {:.4} | {} | `{}` |\n",
                outcome.reward,
                tests.join(" "),
                outcome.net
            );
        }
    }
    text
}

/// How far below the smallest last value the pictures begin.
const SHOWN: f64 = 0.06;

/// Points of a curve over time.
const STEPS: usize = 100;

/// The best reward so far, with the 95 % interval of its mean over the seeds: by architectures, and by time.
fn pictures(arguments: &Arguments, seeds: &[Vec<Outcome>]) -> [CurvesPlot; 2] {
    let longest = seeds.iter().flatten().map(|outcome| outcome.seconds).fold(0.0, f64::max);
    let step = longest / STEPS as f64;
    let by_architectures = |outcome: &Outcome| -> Vec<f64> {
        let rewards = outcome.rewards.iter();
        let best = rewards.scan(0.0f64, |best, (_, reward)| {
            *best = best.max(*reward);
            Some(*best)
        });
        best.collect()
    };
    let by_time = |outcome: &Outcome| -> Vec<f64> {
        let best = |seconds: f64| {
            let rewards = outcome.rewards.iter().take_while(|(at, _)| *at <= seconds).map(|(_, reward)| *reward);
            rewards.fold(0.0, f64::max)
        };
        (1..=STEPS).map(|number| number as f64 * step).map(best).collect()
    };
    [
        picture(arguments, seeds, "architectures with a reward", &by_architectures),
        picture(arguments, seeds, &format!("time, in steps of {step:.1} s"), &by_time),
    ]
}

fn picture(
    arguments: &Arguments,
    seeds: &[Vec<Outcome>],
    x_name: &str,
    curve: &dyn Fn(&Outcome) -> Vec<f64>,
) -> CurvesPlot {
    let groups = arguments.strategies.iter().enumerate().map(|(place, strategy)| {
        let curves: Vec<Vec<f64>> = seeds.iter().map(|outcomes| curve(&outcomes[place])).collect();
        let length = curves.iter().map(Vec::len).min().unwrap_or(0);
        let summaries: Vec<Summary> =
            (0..length).filter_map(|i| Summary::of(&curves.iter().map(|curve| curve[i]).collect::<Vec<_>>())).collect();
        let band = summaries.iter().filter_map(|summary| summary.interval).collect();
        let values = summaries.iter().map(|summary| summary.mean).collect();
        let curve = Curve { kind: CurveKind::Valid, values, band };
        CurveGroup { name: strategy.clone(), curves: vec![curve] }
    });
    let mut groups: Vec<CurveGroup> = groups.collect();
    // The first architectures are so much worse that nothing could be seen of the last.
    let last = groups.iter().filter_map(|group| group.curves[0].values.last().copied());
    let lowest = last.fold(1.0, f64::min) - SHOWN;
    for curve in groups.iter_mut().flat_map(|group| &mut group.curves) {
        for (place, value) in curve.values.iter_mut().enumerate() {
            if let Some(band) = curve.band.get_mut(place) {
                *band = if *value < lowest { (lowest, lowest) } else { (band.0.max(lowest), band.1) };
            }
            *value = if *value < lowest { f64::NAN } else { *value };
        }
    }
    CurvesPlot {
        title: format!("Best reward so far, mean of {} seeds, from {lowest:.2} on", seeds.len()),
        x_name: x_name.to_owned(),
        y_name: "best reward so far".to_owned(),
        width: 900,
        groups,
    }
}
