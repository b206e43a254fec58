//! Chooses several architectures of a search that together are one prior.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use dpnas::grammar::Net;
use dpnas::store::Member;
use dpnas::{EnsembleConfig, EnsembleEvent, Metrics, ReplayRow, RunFolder, ScoreError, read_replay_buffer};
use dpnas_examples::data;
use dpnas_examples::evaluation::deep_prior;
use dpnas_examples::interrupt::{self, stop_on_signals};
use dpnas_examples::options::{Run, SearchFlags, SearchOptions, options_of_run};
use dpnas_examples::program::{self, print};
use dpnas_examples::progress::eprintln;
use dpnas_examples::row_progress::RowProgress;
use dpnas_examples::session::use_threads;
use serde_json::{Value, json};
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
    #[arg(long, value_name = "N", default_value = "30")]
    candidates: NonZeroUsize,
    /// Most features of all members together; time grows with the cube of features or images, whichever are fewer
    /// [default: 8192, or 32768 with at most 8192 training images]
    #[arg(long, value_name = "N")]
    most_features: Option<usize>,
    /// Training and validation images by which members are chosen
    #[arg(long, value_name = "N", default_value = "1000")]
    images: NonZeroUsize,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Features or images of which the fewer are decomposed in a minute or two.
const FAST: usize = 8192;

const EXAMPLES: &str = "\
Examples:
  ensemble runs/20261123T231500Z-search-1a2b3c
  ensemble runs/20261123T231500Z-search-1a2b3c --size 4 --most-features 4096 --json";

fn main() -> ExitCode {
    program::run(run)
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let folder = RunFolder::open_with(&arguments.run, SearchOptions::JOURNAL)?;
    let options: SearchOptions = options_of_run(&SearchFlags::default(), &folder)?;
    ensure!(!options.training.full_training, "an ensemble needs random encoders: this search trained them in full");
    let nets = best_nets(&folder, arguments.candidates.get())?;
    use_threads(&options.resources)?;
    let stop = stop_on_signals("ending; no ensemble will be written. A second signal ends at once")?;
    let data = data::load(&options.data, &stop)?;
    let prior = deep_prior(options.evaluation(), &data, Arc::clone(&stop))?;
    let fast = if data.train.len() <= FAST { 4 * FAST } else { FAST };
    let most_features = arguments.most_features.unwrap_or(fast);
    let config = EnsembleConfig { size: arguments.size, most_features, images: arguments.images };

    let progress = RowProgress::of("candidates", nets.len());
    let steps = prior.choose_ensemble(&nets, &config, &mut |event| match event {
        EnsembleEvent::Embedded { .. } => progress.add(1),
        EnsembleEvent::LeftOut { candidate, reason } => {
            progress.add(1);
            progress.say(&format!("left out: {}: {reason}", nets[candidate]));
        }
        EnsembleEvent::Chosen(step) => progress.say(&format!(
            "{} features, leave-one-out error {:.4}, accuracy {:.4} with {}",
            step.features, step.error, step.accuracy, step.member.net
        )),
        _ => {}
    });
    drop(progress);
    let result = steps.and_then(|steps| {
        let members: Vec<Member> = steps.iter().map(|step| step.member.clone()).collect();
        let mut scores = Vec::new();
        for size in sizes(members.len()) {
            let score = match prior.score_ensemble(&members[..size]) {
                Err(error @ ScoreError::OutOfMemory { .. }) if !scores.is_empty() => {
                    eprintln(&format!("{error}; larger ensembles are not scored"));
                    break;
                }
                score => score?,
            };
            eprintln(&format!("{size} members: reward {:.4}, test {:.4}", score.reward, score.test_accuracy));
            scores.push((size, steps[size - 1].features, score));
        }
        Ok((members, scores))
    });
    let (members, scores) = match result {
        Err(ScoreError::Interrupted) => {
            eprintln("interrupted; no ensemble was written");
            return Ok(interrupt::exit_status().unwrap_or(ExitCode::FAILURE));
        }
        result => result?,
    };
    ensure!(
        !members.is_empty(),
        "no architecture of the search can be a member: allow more with --most-features, now {most_features}"
    );
    let json = json(&arguments.run, &members, &scores);
    folder.replace("ensemble.json", format!("{json:#}\n").as_bytes())?;
    print(&if arguments.json { json.to_string() } else { text(&folder, &members, &scores) })?;
    Ok(ExitCode::SUCCESS)
}

/// Different architectures with the highest rewards, the best one first.
fn best_nets(folder: &RunFolder, most: usize) -> Result<Vec<Net>> {
    let path = folder.file("replay_buffer.csv");
    let file = File::open(&path)
        .with_context(|| format!("cannot open {}: has the search scored anything?", path.display()))?;
    let mut rows: Vec<ReplayRow> = read_replay_buffer(file, &path)?;
    rows.retain(|row| row.reward() > 0.0);
    rows.sort_by(|a, b| b.reward().total_cmp(&a.reward()));
    let mut seen = HashSet::new();
    let nets: Vec<Net> = rows
        .iter()
        .filter(|row| seen.insert(row.net.clone()))
        .take(most)
        .map(|row| row.net.parse().with_context(|| format!("{}: {}", path.display(), row.net)))
        .collect::<Result<_>>()?;
    ensure!(!nets.is_empty(), "{}: no architecture has a reward", path.display());
    Ok(nets)
}

/// Sizes that are scored: 1, 2, 4 and so on, and the last.
fn sizes(members: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> =
        std::iter::successors(Some(1), |size| Some(size * 2)).take_while(|size| *size < members).collect();
    sizes.extend((members > 0).then_some(members));
    sizes
}

fn json(run: &std::path::Path, members: &[Member], scores: &[(usize, usize, Metrics)]) -> Value {
    let score = |(size, features, score): &(usize, usize, Metrics)| json!({"size": size, "features": features, "reward": score.reward, "test_accuracy": score.test_accuracy});
    let mut json = scores.last().map_or_else(|| json!({}), score);
    json["run"] = json!(run);
    json["members"] = json!(members);
    json["sizes"] = scores.iter().map(score).collect();
    json
}

fn text(folder: &RunFolder, members: &[Member], scores: &[(usize, usize, Metrics)]) -> String {
    let mut text = "members  features  reward  test\n".to_owned();
    for (size, features, score) in scores {
        text += &format!("{size:>7}  {features:>8}  {:.4}  {:.4}\n", score.reward, score.test_accuracy);
    }
    text += "\n";
    for (number, member) in members.iter().enumerate() {
        text += &format!("{}. {}\n", number + 1, member.net);
    }
    text + &format!("\n{}", folder.file("ensemble.json").display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_and_the_last_size_are_scored() {
        assert_eq!(sizes(0), [0; 0]);
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(6), [1, 2, 4, 6]);
        assert_eq!(sizes(8), [1, 2, 4, 8]);
    }
}
