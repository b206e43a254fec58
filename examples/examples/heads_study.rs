//! Compares the rewards of three heads over random architectures, for `docs/science.md`.
//!
//! ```sh
//! cargo xtask study heads --dataset digits --nets 300 --scores digits.csv
//! ```
//! Each architecture is embedded three times: as it is, with another hold-out split, and with other weights. A study that was
//! stopped goes on with the architectures that `--scores` does not have.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use dpnas::heads::{HeadError, LeaveOneOut, leave_one_out};
use dpnas::prelude::*;
use dpnas::search::Feedback;
use dpnas::train::{Labelled, fit};
use dpnas::{ScoreError, store::SplitName};
use dpnas_examples::data;
use dpnas_examples::options::DataOptions;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Compare the rewards of three heads over random architectures.
#[derive(Parser)]
struct Arguments {
    /// Data set: `digits` or a folder
    #[arg(long, default_value = "digits")]
    dataset: String,
    /// Training images; 0 for all
    #[arg(long, default_value_t = 0)]
    limit_train: usize,
    /// Random architectures of the space `small`
    #[arg(long, default_value_t = 300)]
    nets: u32,
    /// Seed of the architectures, the splits and the weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// CSV file of the scores of each architecture; those that it has are not computed again
    #[arg(long)]
    scores: PathBuf,
}

/// The heads, in the order of the table.
const HEADS: [&str; 3] = ["Adam, 70 epochs, hold-out", "ridge, hold-out", "ridge, leave-one-out"];

/// What three heads give for one embedding.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Scores {
    /// By head; leave-one-out does not depend on the split.
    rewards: [f64; 3],
    /// Test accuracies of Adam and of the ridge of all training images.
    tests: [f64; 2],
    seconds: [f64; 3],
}

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let options = DataOptions {
        dataset: arguments.dataset,
        limit_train: arguments.limit_train,
        seed: arguments.seed,
        ..DataOptions::default()
    };
    let data = data::load(&options, &AtomicBool::new(false))?;
    let seed = Seed(arguments.seed);
    let variant = |split: u64, weights: u64| -> Result<DeepPrior> {
        let mut config = DeepPriorConfig { weight_seed: seed.derive("draw", weights), ..DeepPriorConfig::paper(seed) };
        config.probe.threads = std::thread::available_parallelism()?;
        let splits = Splits::hold_out(&data, seed.derive("split", split))?;
        Ok(DeepPrior::new(Box::new(CpuEngine::new(Precision::F32)?), splits, config))
    };
    let variants = [variant(0, 0)?, variant(1, 0)?, variant(0, 1)?];

    let space = SpaceSettings::small().check(data.train.shape(), data.train.classes())?;
    let settings = SearchSettings { schedule: format!("1.0:{}", arguments.nets).parse()?, ..SearchSettings::paper() };
    let mut search = Search::new(space, settings, seed)?;
    let file = &arguments.scores;
    let mut known = Vec::new();
    if file.exists() {
        for row in csv::ReaderBuilder::new().has_headers(false).from_path(file)?.into_deserialize() {
            let row: (Net, [Scores; 3]) =
                row.with_context(|| format!("{} has no scores of this program", file.display()))?;
            known.push(row);
        }
    }
    let file = File::options().create(true).append(true).open(file).with_context(|| file.display().to_string())?;
    let mut out = csv::WriterBuilder::new().has_headers(false).from_writer(file);
    let mut known = known.into_iter();
    let mut all: Vec<[Scores; 3]> = Vec::new();
    while let Some(candidate) = search.ask()? {
        let scores = if let Some((net, scores)) = known.next() {
            ensure!(net == *candidate.net, "the scores are of another study: {net} is not {}", candidate.net);
            scores
        } else {
            let first = score(&variants[0], &candidate.net, None)?;
            let split = score(&variants[1], &candidate.net, Some(first))?;
            let scores = [first, split, score(&variants[2], &candidate.net, None)?];
            out.serialize((&*candidate.net, scores))?;
            out.flush()?;
            scores
        };
        all.push(scores);
        // With ε = 1 no reward changes what is drawn.
        search.tell(candidate.id, Feedback::Scored { reward: 0.5 })?;
    }

    println!("{}: {} training images, {} architectures", options.dataset, data.train.len(), all.len());
    println!(
        "| reward | Spearman with test of Adam | with test of ridge | top 10 % | best tied | re-split | re-draw | s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (head, name) in HEADS.into_iter().enumerate() {
        let rewards: Vec<f64> = all.iter().map(|scores| scores[0].rewards[head]).collect();
        let test = |of: usize| all.iter().map(move |scores| scores.iter().map(|one| one.tests[of]).sum::<f64>() / 3.0);
        let [adam, ridge] = [0, 1].map(|of| test(of).collect::<Vec<f64>>());
        let own = if head == 0 { &adam } else { &ridge };
        let noise = |other: usize| {
            let squares =
                all.iter().map(|scores| (scores[0].rewards[head] - scores[other].rewards[head]).powi(2) / 2.0);
            100.0 * (squares.sum::<f64>() / all.len() as f64).sqrt()
        };
        let best = rewards.iter().copied().fold(0.0, f64::max);
        let tied = rewards.iter().filter(|&&reward| reward == best).count();
        let seconds = all.iter().map(|scores| scores[0].seconds[head]).sum::<f64>() / all.len() as f64;
        println!(
            "| {name} | {} | {} | {:.0} % | {tied} | {:.2} | {:.2} | {seconds:.3} |",
            interval(&rewards, &adam, seed),
            interval(&rewards, &ridge, seed),
            100.0 * overlap(&rewards, own),
            noise(1),
            noise(2),
        );
    }
    Ok(())
}

/// Embeds the images once and fits each head. Leave-one-out is taken from the scores of another split of the same rows.
#[expect(clippy::disallowed_methods, reason = "clock: the seconds of each head")]
fn score(prior: &DeepPrior, net: &Net, other_split: Option<Scores>) -> Result<Scores> {
    let mut rows = [Vec::new(), Vec::new(), Vec::new()];
    prior.embed(net, prior.config().weight_seed, |split: SplitName, block: &[f32]| {
        rows[split as usize].extend_from_slice(block);
        Ok::<(), ScoreError>(())
    })?;
    let (splits, probe) = (prior.splits(), &prior.config().probe);
    let [train, valid, test] = [&splits.train, &splits.valid, &splits.test].map(|set| set.labels());
    let features = rows[0].len() / train.len();
    let share = |correct: usize, labels: &[u32]| correct as f64 / labels.len() as f64;

    let start = Instant::now();
    let labelled = |split: usize, labels| Labelled::new(&rows[split][..], labels, features);
    let (of_train, of_valid, of_test) = (labelled(0, train)?, labelled(1, valid)?, labelled(2, test)?);
    let adam =
        fit(probe, splits.classes(), of_train, of_valid, Some(of_test), &mut |_| ControlFlow::Continue(()))?.report;
    let adam_seconds = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let held_out = share(ridge(&rows[0], train)?.head.correct(&rows[1], valid)?, valid);
    let ridge_seconds = start.elapsed().as_secs_f64();

    let (loo, test_of_ridge, loo_seconds) = if let Some(other) = other_split {
        (other.rewards[2], other.tests[1], other.seconds[2])
    } else {
        let start = Instant::now();
        let all = ridge(&[&rows[0][..], &rows[1]].concat(), &[train, valid].concat())?;
        (all.accuracy, share(all.head.correct(&rows[2], test)?, test), start.elapsed().as_secs_f64())
    };
    Ok(Scores {
        rewards: [adam.reward(), held_out, loo],
        tests: [adam.test_accuracy, test_of_ridge],
        seconds: [adam_seconds, ridge_seconds, loo_seconds],
    })
}

/// Ridge regression with λ by leave-one-out.
fn ridge(rows: &[f32], labels: &[u32]) -> Result<LeaveOneOut> {
    let features = rows.len() / labels.len();
    Ok(leave_one_out::<HeadError>(features, labels, |range, out| {
        out.copy_from_slice(&rows[range.start * features..range.end * features]);
        Ok(())
    })?)
}

/// Spearman's correlation with its 95 % bootstrap interval over the architectures.
fn interval(a: &[f64], b: &[f64], seed: Seed) -> String {
    let mut rng = seed.stream("bootstrap", 0).rng();
    let mut samples: Vec<f64> = (0..1000)
        .map(|_| {
            let places: Vec<usize> = a.iter().map(|_| rng.below(a.len() as u64) as usize).collect();
            let pick = |of: &[f64]| places.iter().map(|&place| of[place]).collect::<Vec<f64>>();
            spearman(&pick(a), &pick(b))
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    format!("{:.3} ({:.3} to {:.3})", spearman(a, b), samples[25], samples[974])
}

/// Pearson's correlation of ranks; equal values share the mean of their ranks.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |of: &[f64]| -> Vec<f64> {
        let below = |value: f64| of.iter().filter(|&&other| other < value).count() as f64;
        let equal = |value: f64| of.iter().filter(|&&other| other == value).count() as f64;
        of.iter().map(|&value| below(value) + (equal(value) - 1.0) / 2.0).collect()
    };
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
}

/// The part of the best tenth by one measure that is in the best tenth by the other.
fn overlap(a: &[f64], b: &[f64]) -> f64 {
    let tenth = |of: &[f64]| {
        let mut places: Vec<usize> = (0..of.len()).collect();
        places.sort_by(|&x, &y| of[y].total_cmp(&of[x]));
        places.truncate((of.len() / 10).max(1));
        places
    };
    let (a, b) = (tenth(a), tenth(b));
    a.iter().filter(|place| b.contains(place)).count() as f64 / a.len() as f64
}
