//! Searches for deep priors: random encoders whose embedding a linear classifier separates well.

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, ValueEnum};
use dpnas::data::DataSet;
use dpnas::grammar::Net;
use dpnas::report::{Baseline, Cost, SearchPage};
use dpnas::search::{Evolution, Predictor, Search, SearchSettings, Seed, Strategy};
use dpnas::{
    EarlierRun, EnsembleConfig, Head, MAX_FRUITLESS, RunEvent, Runner, ScoreError, Splits, StopReason, Trial,
    pixel_baseline,
};
use dpnas_examples::ensemble::{CANDIDATES, Ensemble, IMAGES, choose, most_features};
use dpnas_examples::evaluation::{self, deep_prior, evaluator, probe};
use dpnas_examples::options::{ContinueOptions, Run, Rung, SearchFlags, SearchOptions, SpaceChoice, StrategyName};
use dpnas_examples::output::{SearchReport, SearchResult};
use dpnas_examples::program::{self, print};
use dpnas_examples::progress::{SearchProgress, eprintln};
use dpnas_examples::session::{RunFlags, Session, log, resumable};
use dpnas_examples::{earlier, interrupt};
use serde_json::json;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Searches for deep priors: convolutional encoders with random weights whose embedding a linear classifier separates
/// well.
///
/// With no arguments: a small search on the digits inside the program, on the CPU.
#[derive(Parser)]
#[command(version, args_override_self = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    flags: SearchFlags,
    #[command(flatten)]
    run: RunFlags,
    /// End after this many evaluations; --resume carries on
    #[arg(long, value_name = "N", help_heading = "Run")]
    limit: Option<u64>,
    /// End, with exit status 2, after this many evaluations in a row that do not count towards the schedule
    #[arg(long, value_name = "N", default_value_t = MAX_FRUITLESS, help_heading = "Run")]
    max_fruitless: u64,
    /// What is listed at the end: the best by their reward, or the Pareto front of reward and a cost. The strategy goes by
    /// the reward in any case
    #[arg(long, value_enum, value_name = "NAME", default_value = "reward", help_heading = "Run")]
    objective: Objective,
}

/// What makes an architecture worth listing.
#[derive(Clone, Copy, ValueEnum)]
enum Objective {
    Reward,
    #[value(name = "reward,multiply-adds")]
    MultiplyAdds,
    #[value(name = "reward,parameters")]
    Parameters,
}

impl Objective {
    fn cost(self) -> Option<Cost> {
        match self {
            Self::Reward => None,
            Self::MultiplyAdds => Some(Cost::MultiplyAdds),
            Self::Parameters => Some(Cost::Parameters),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  search                                          a small search on the digits, seconds
  search --dataset fashion-mnist --limit-train 10000     a data set fetched on first use
  search --dataset DIR --patch-size 32 --rgb             images in colour, a folder per class
  search --strategy evolution --budget 100               children of the best ones by small edits
  search --strategy predictor --time 2h --ensemble 8     ends with eight architectures that are one prior
  search --space paper --schedule paper --dataset fashion-mnist    the published search
  search --full-training --max-fc 2               a conventional search, with full training
  search --resume runs/20261123T231500Z-search-1a2b3c    carry on after Ctrl-C, a crash or a power cut
  search --space reference-code --schedule paper --dataset fashion-mnist --continue-search
         --replay-buffer-csv-path replay_buffer.csv --q-values-csv-path q_values.csv
         --continue-epsilon 0.5 --continue-ite 40        continue a run of the published program";

fn main() -> ExitCode {
    program::run(run)
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut session = Session::<SearchOptions>::open(&arguments.flags, &arguments.run)?;
    ensure!(
        session.options.search.ensemble == 0 || !session.options.training.full_training,
        "ensemble: its members are random encoders; leave --full-training out"
    );
    let data = session.load_data()?;
    if session.resumed.is_none() {
        session.options.choose_auto(data.train.len());
    }
    let (search, earlier) = search(&session, &data)?;
    let evaluator = evaluator(session.options.evaluation(), &data, Arc::clone(&session.stop))?;
    let rungs = session.options.rungs(data.train.len())?;
    let rung_evaluators = evaluation::rungs(session.options.evaluation(), &rungs, &data, &session.stop)?;
    let folder = session.folder(&data, &format!("{} classes", data.train.classes()))?;
    if let Some(earlier) = &earlier {
        earlier::announce(earlier, search.progress());
    }

    let (settings, strategy) = (folder.settings()?, &session.options.search.strategy);
    let (input, objective) = (data.train.shape(), arguments.objective.cost());
    let describe = SearchReport { folder: &folder, settings: &settings, input, strategy, objective };
    let write = |page: &SearchPage| folder.replace("report.html", page.to_html().as_bytes());
    let time = session.options.search.time()?;
    let mut progress = SearchProgress::new(strategy, time, Some(log(&folder)?));
    let (mut begun, mut unfinished) = (false, None);
    let hook = |event: &RunEvent<'_>| {
        begun = true;
        progress.show(event);
        if let RunEvent::SoFar { rows, best, family, progress: done } = event {
            let page = unfinished.insert(describe.page("running", rows, (best, family), *done));
            page.running = true;
            if let Err(error) = write(page) {
                progress.warn(&format!("{:#}", anyhow::Error::from(error)));
            }
        }
        session.flow()
    };
    let mut runner = Runner::new(search, evaluator).in_folder(folder.clone()).with_hook(hook);
    runner = runner.with_max_fruitless(arguments.max_fruitless);
    for rung in rung_evaluators {
        runner = runner.with_rung(rung);
    }
    if let Some(earlier) = earlier {
        runner = runner.continuing(earlier);
    }
    if let Some(limit) = arguments.limit {
        runner = runner.with_limit(limit);
    }
    if let Some(time) = time {
        runner = runner.with_time(time);
    }
    let report = match runner.run() {
        Err(error) if begun => {
            if let Some(mut page) = unfinished {
                page.running = false;
                page.text.subtitle = "Deep-prior architecture search: ended by an error".to_owned();
                // The error of the run is the one to tell.
                let _ = write(&page);
            }
            return Err(resumable::<SearchOptions>(error, &folder));
        }
        report => report?,
    };
    let family = (report.best.as_slice(), report.family.as_slice());
    let mut page = describe.page(&report.stop.to_string(), &report.rows, family, report.progress);
    let baseline = baseline(&session, &data)?;
    page.baseline =
        baseline.map(|test_accuracy| Baseline { name: "linear classifier on raw pixels".to_owned(), test_accuracy });
    write(&page)?;
    progress.finish();
    let completed = matches!(report.stop, StopReason::Completed | StopReason::TimeIsOver);
    let wanted = NonZeroUsize::new(session.options.search.ensemble).filter(|_| completed);
    let ensemble = wanted.map(|size| ensemble(&session, &data, &report.best, size)).transpose();
    let ensemble = ensemble.map_err(|error| resumable::<SearchOptions>(error, &folder))?.flatten();

    let result = SearchResult { folder: &folder, report: &report, page: &page, seconds: progress.seconds() };
    let mut json = result.json();
    if !rungs.is_empty() {
        let scored = report.rungs.iter().copied().chain(std::iter::repeat(0));
        let rung =
            |(rung, scored): (&Rung, usize)| json!({"images": rung.images, "head": rung.head, "candidates": scored});
        json["rungs"] = rungs.iter().zip(scored).map(rung).collect();
    }
    let mut text = result.text();
    if let Some(ensemble) = &ensemble {
        json["ensemble"] = ensemble.write(&folder, &report.rows, data.train.shape())?;
        text += &format!("\n{}\n", ensemble.text(&folder));
    }
    print(&if arguments.run.json { json.to_string() } else { text })?;
    Ok(match report.stop {
        _ if wanted.is_some() && session.flow().is_break() => interrupt::exit_status().unwrap_or(ExitCode::FAILURE),
        StopReason::Interrupted => interrupt::exit_status().unwrap_or(ExitCode::FAILURE),
        StopReason::Fruitless { .. } | StopReason::Barren(_) => ExitCode::from(2),
        _ => ExitCode::SUCCESS,
    })
}

/// The ensemble of `--ensemble`; `None` if no architecture can be a member, or after a signal.
fn ensemble(
    session: &Session<SearchOptions>,
    data: &DataSet,
    best: &[Trial],
    size: NonZeroUsize,
) -> Result<Option<Ensemble>> {
    let prior = deep_prior(session.options.evaluation(), data, Arc::clone(&session.stop))?;
    let config = EnsembleConfig { size, most_features: most_features(data.train.len()), images: IMAGES };
    let best = best.iter().filter(|trial| trial.metrics.reward > 0.0).take(CANDIDATES.get());
    let nets: Vec<Net> = best.map(|trial| (*trial.net).clone()).collect();
    match choose(&prior, &nets, &config) {
        Err(ScoreError::Interrupted) => {
            eprintln("interrupted; no ensemble was written");
            Ok(None)
        }
        ensemble => Ok(Some(ensemble?).filter(|ensemble| !ensemble.members.is_empty())),
    }
}

/// The search core, and the earlier run that it continues.
fn search(session: &Session<SearchOptions>, data: &DataSet) -> Result<(Search, Option<EarlierRun>)> {
    let options = &session.options;
    let walk = &options.search;
    let SpaceChoice::Explicit(space) = &walk.space else {
        bail!("the space of a run is spelled out in its settings; `space` has only a name");
    };
    let adam = options.training.full_training || options.classifier.head()? == Head::Adam;
    ensure!(
        adam || space.max_fc == 0,
        "max-fc: a ridge regression trains no fully connected layers; use --head adam, or 0"
    );
    let space = space.clone().check(data.train.shape(), data.train.classes())?;
    let settings = SearchSettings {
        q_learning_rate: walk.q_learning_rate,
        q_discount_factor: walk.q_discount_factor,
        initial_q: walk.initial_q,
        replay_number: walk.replay_number,
        schedule: walk.schedule.as_deref().unwrap_or("small").parse().context("schedule")?,
    };
    let seed = Seed(options.data.seed);
    let name = walk.strategy()?;
    let strategy: Arc<dyn Strategy> = match name {
        StrategyName::QLearning => {
            return match earlier::earlier_run(&options.earlier, session.resumed.as_ref(), &space)? {
                Some(earlier) => Ok((earlier.search(space, settings, seed)?, Some(earlier))),
                None => Ok((Search::new(space, settings, seed)?, None)),
            };
        }
        // Without chance there is nothing left to draw, so its schedule has ε = 1 alone.
        StrategyName::Random | StrategyName::Evolution => Arc::new(Evolution::default()),
        StrategyName::Predictor => Arc::new(Predictor::default()),
    };
    ensure!(
        options.earlier == ContinueOptions::default(),
        "continue-search: the files of an earlier run are those of q-learning; leave --strategy out"
    );
    let random = settings.schedule.phases().iter().all(|phase| phase.epsilon == 1.0);
    ensure!(
        random || name != StrategyName::Random,
        "schedule: random architectures have the ε 1.0 alone; use for example --budget 100"
    );
    Ok((Search::with_strategy(space, settings, strategy, seed)?, None))
}

/// Test accuracy of the linear classifier on raw pixels; `None` if the run is being interrupted.
fn baseline(session: &Session<SearchOptions>, data: &DataSet) -> Result<Option<f64>> {
    if session.stop.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let seed = Seed(session.options.data.seed);
    let probe = probe(&session.options.classifier, &session.options.resources, seed)?;
    let head = session.options.classifier.head()?;
    match pixel_baseline(&Splits::hold_out(data, seed)?, head, &probe, &session.stop) {
        Ok(metrics) => Ok(Some(metrics.test_accuracy)),
        Err(ScoreError::Interrupted) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
