//! Scores chosen architectures under several draws of their weights, and trained in full.

use anyhow::{Context, Result};
use clap::Parser;
use dpnas::search::Seed;
use dpnas::{DeepPrior, FullTraining, RunFolder, ScoringEvent, ScoringJob, ScoringRunner, StopReason, Training};
use dpnas_examples::fetching::was_stopped;
use dpnas_examples::interrupt::stop_on_ctrl_c;
use dpnas_examples::options::{self, Job, ScoreFlags, ScoreOptions};
use dpnas_examples::output::print;
use dpnas_examples::progress::eprintln;
use dpnas_examples::score_output::ScoreResult;
use dpnas_examples::score_progress::ScoreProgress;
use dpnas_examples::score_store::ScoreStore;
use dpnas_examples::session;
use std::fs::OpenOptions;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Scores architectures under several draws of their weights: one, a row of a search, or its lowest, middle and highest.
///
/// With --full-training each is trained in full as well, and the figures show random beside trained encoders.
#[derive(Parser)]
#[command(version, args_override_self = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    flags: ScoreFlags,
    /// Options from a TOML file, for example a run's settings.toml; flags win
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    config: Option<PathBuf>,
    /// Go on with an earlier run, from its folder alone
    #[arg(long, value_name = "RUN", conflicts_with = "config", help_heading = "Run")]
    resume: Option<PathBuf>,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long, help_heading = "Run")]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  score --net '[C(64,3,1,1,1), P(2,2,0,0), SM(10)]' --draws 5
  score --replay-buffer runs/20261123T231500Z-search-1a2b3c --draws 5
  score --replay-buffer replay_buffer.csv --index 17 --full-training
  score --net '[C(64,3,1,1,1), P(2,2,0,0), SM(10)]' --draws 5 --store-embedding DIR
  score --resume runs/20261124T101500Z-score-4d5e6f      go on after Ctrl-C, a crash or a power cut";

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(StopReason::Interrupted) => ExitCode::from(130),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln(&format!("error: {error:#}"));
            if was_stopped(&error) { ExitCode::from(130) } else { ExitCode::FAILURE }
        }
    }
}

fn run(arguments: Arguments) -> Result<StopReason> {
    let earlier = arguments.resume.map(ScoringJob::of_run).transpose()?;
    let mut options: ScoreOptions = match &earlier {
        Some((folder, _)) => options::options_of_run(&arguments.flags, folder)?,
        None => options::options(&arguments.flags, arguments.config.as_deref())?,
    };
    session::check_learning_rate(&options.training)?;
    session::check_precision(&options.training, &options.resources)?;
    let (earlier, job) = match earlier {
        Some((folder, job)) => (Some(folder), job),
        None => {
            let choice = &options.choice;
            let weights = options.encoder.draw.parse().context("draw")?;
            let (seed, draws) = (Seed(options.data.seed), choice.draws);
            (None, ScoringJob { targets: choice.targets()?, seed, draws, weights })
        }
    };
    session::use_threads(&options.resources)?;
    let stop = stop_on_ctrl_c("ending; what is scored is kept. Once more to end at once")?;
    let data = session::data_until(&options.data, &stop)?;
    options.data.patch_size = Some(data.train.shape().height);
    let scoring = options.scoring();
    let random = session::deep_prior(scoring, &data, Arc::clone(&stop))?.testing_every_epoch();
    let trained = match options.training.full_training {
        true => Some(session::full_training(scoring, &data, Arc::clone(&stop))?.testing_every_epoch()),
        false => None,
    };

    // Everything is checked before the folder is made.
    runner(&job, &random, trained.as_ref()).check()?;
    let store = ScoreStore::of(&options, &job)?;
    if let (Some(store), None) = (&store, &earlier) {
        store.check_free(&job)?;
    }
    let folder = match earlier {
        Some(folder) => folder,
        None => RunFolder::create(options.resources.runs.as_ref(), "score", &options.to_toml()?)?,
    };
    eprintln(&format!(
        "{}: {} training and {} test images of {}; {} architectures, {} draws; device {}; run {}",
        data.name,
        data.train.len(),
        data.test.len(),
        data.train.shape(),
        job.targets.len(),
        job.draws,
        options.resources.device,
        folder.path().display()
    ));

    let log =
        OpenOptions::new().create(true).append(true).open(folder.file("log.txt")).context("cannot open log.txt")?;
    let mut progress = ScoreProgress::new(Some(log));
    let trained =
        trained.map(|trained| trained.with_checkpoints(folder.file("checkpoints")).with_epoch_hook(progress.epochs()));
    let report = runner(&job, &random, trained.as_ref())
        .in_folder(folder.clone())
        .with_hook(|event: &ScoringEvent<'_>| {
            progress.show(event);
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .run();
    progress.finish();

    let report = report.with_context(|| format!("go on later with: score --resume {}", folder.path().display()))?;
    let result = ScoreResult { folder: &folder, report: &report, settings: &folder.settings()? };
    folder.replace("report.html", result.html().as_bytes())?;
    let resume =
        || format!("the scores are kept; store the embeddings with: score --resume {}", folder.path().display());
    let stored = match store.filter(|_| report.stop == StopReason::Completed) {
        Some(store) => store.store(&random, &report, &data, &options).with_context(resume)?,
        None => Some(Vec::new()),
    };
    let mut json = result.json();
    if options.embedding.store_embedding.is_some() {
        json["embeddings"] = serde_json::json!(stored);
    }
    print(&if arguments.json { json.to_string() } else { result.text() })?;
    match stored {
        Some(stored) => {
            stored.iter().for_each(|path| eprintln(&format!("stored the embedding in {}", path.display())));
            Ok(report.stop)
        }
        None => {
            eprintln(&resume());
            Ok(StopReason::Interrupted)
        }
    }
}

fn runner<'a>(job: &ScoringJob, random: &'a DeepPrior, trained: Option<&'a FullTraining>) -> ScoringRunner<'a> {
    let runner = ScoringRunner::new(job.clone()).scored_by(Training::Random, random);
    match trained {
        Some(trained) => runner.scored_by(Training::Full, trained),
        None => runner,
    }
}
