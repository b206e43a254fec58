//! Chooses several architectures of a search that together are one prior.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use dpnas::grammar::Net;
use dpnas::{EnsembleConfig, ReplayRow, RunFolder, ScoreError, read_replay_buffer};
use dpnas_examples::data;
use dpnas_examples::ensemble::{CANDIDATES, IMAGES, choose, most_features};
use dpnas_examples::evaluation::deep_prior;
use dpnas_examples::interrupt::{self, stop_on_signals};
use dpnas_examples::options::{Run, SearchFlags, SearchOptions, options_of_run};
use dpnas_examples::program::{self, print};
use dpnas_examples::progress::eprintln;
use dpnas_examples::session::use_threads;
use std::collections::HashSet;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Chooses several architectures of a search that together are one prior: their embeddings side by side, under one ridge
/// regression.
///
/// Members are chosen one after the other among the best rewards, each time the one with which the regression has the
/// smallest leave-one-out error, so members that see different things win. Test images decide nothing. Data, encoder and
/// device are those of the search. The result is ensemble.json in its folder.
#[derive(Parser)]
#[command(version, args_override_self = true, after_help = EXAMPLES)]
struct Arguments {
    /// Run folder of a search
    run: PathBuf,
    /// Most members
    #[arg(long, value_name = "N", default_value = "8")]
    size: NonZeroUsize,
    /// Best architectures of the search that may be members
    #[arg(long, value_name = "N", default_value_t = CANDIDATES)]
    candidates: NonZeroUsize,
    /// Most features of all members together; time grows with the cube of features or images, whichever are fewer
    /// [default: 8192, or 32768 with at most 10000 training images]
    #[arg(long, value_name = "N")]
    most_features: Option<usize>,
    /// Training and validation images by which members are chosen
    #[arg(long, value_name = "N", default_value_t = IMAGES)]
    images: NonZeroUsize,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  ensemble runs/20261123T231500Z-search-1a2b3c
  ensemble runs/20261123T231500Z-search-1a2b3c --size 4 --most-features 4096 --json
  score --ensemble runs/20261123T231500Z-search-1a2b3c/ensemble.json --draws 5     the architectures, or these weights?";

fn main() -> ExitCode {
    program::run(run)
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let folder = RunFolder::open_with(&arguments.run, SearchOptions::JOURNAL)?;
    let options: SearchOptions = options_of_run(&SearchFlags::default(), &folder)?;
    ensure!(!options.training.full_training, "an ensemble needs random encoders: this search trained them in full");
    let path = folder.file("replay_buffer.csv");
    let file = File::open(&path)
        .with_context(|| format!("cannot open {}: has the search scored anything?", path.display()))?;
    let rows = read_replay_buffer(file, &path)?;
    let nets = best_nets(&rows, arguments.candidates.get()).with_context(|| path.display().to_string())?;
    use_threads(&options.resources)?;
    let stop = stop_on_signals("ending; no ensemble will be written. A second signal ends at once")?;
    let data = data::load(&options.data, &stop)?;
    let prior = deep_prior(options.evaluation(), &data, Arc::clone(&stop))?;
    let most_features = arguments.most_features.unwrap_or_else(|| most_features(data.train.len()));
    let config = EnsembleConfig { size: arguments.size, most_features, images: arguments.images };

    let ensemble = match choose(&prior, &nets, &config) {
        Err(ScoreError::Interrupted) => {
            eprintln("interrupted; no ensemble was written");
            return Ok(interrupt::exit_status().unwrap_or(ExitCode::FAILURE));
        }
        ensemble => ensemble?,
    };
    ensure!(
        !ensemble.members.is_empty(),
        "no architecture of the search can be a member: allow more with --most-features, now {most_features}"
    );
    let json = ensemble.write(&folder, &rows, data.train.shape())?;
    print(&if arguments.json { json.to_string() } else { ensemble.text(&folder) })?;
    Ok(ExitCode::SUCCESS)
}

/// Different architectures with the highest rewards, the best one first.
fn best_nets(rows: &[ReplayRow], most: usize) -> Result<Vec<Net>> {
    let mut rows: Vec<&ReplayRow> = rows.iter().filter(|row| row.reward() > 0.0).collect();
    rows.sort_by(|a, b| b.reward().total_cmp(&a.reward()));
    let mut seen = HashSet::new();
    let best = rows.into_iter().filter(|row| seen.insert(&row.net)).take(most);
    let nets: Vec<Net> = best.map(|row| row.net.parse().with_context(|| row.net.clone())).collect::<Result<_>>()?;
    ensure!(!nets.is_empty(), "no architecture has a reward");
    Ok(nets)
}
