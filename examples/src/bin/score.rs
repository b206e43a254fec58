//! Scores chosen architectures under several draws of their weights, and trained in full.

use anyhow::{Context, Result};
use clap::Parser;
use dpnas::search::Seed;
use dpnas::store::Member;
use dpnas::{
    EnsembleDraws, EvaluateDraw, FullTraining, Group, ScoringEvent, ScoringJob, ScoringRunner, StopReason, Target,
    Training, WeightDraw,
};
use dpnas_examples::ensemble::read_members;
use dpnas_examples::evaluation::{deep_prior, full_training};
use dpnas_examples::interrupt;
use dpnas_examples::options::{Run, ScoreFlags, ScoreOptions};
use dpnas_examples::program::{self, print};
use dpnas_examples::progress::eprintln;
use dpnas_examples::score_output::ScoreResult;
use dpnas_examples::score_progress::ScoreProgress;
use dpnas_examples::score_store::ScoreStore;
use dpnas_examples::session::{RunFlags, Session, log, resumable, resume_command};
use std::process::ExitCode;
use std::sync::Arc;

/// Scores architectures under several draws of their weights: one, a row of a search, or its lowest, middle and
/// highest.
///
/// --full-training also trains each in full, and the figures show random beside trained encoders.
#[derive(Parser)]
#[command(version, args_override_self = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    flags: ScoreFlags,
    #[command(flatten)]
    run: RunFlags,
}

const EXAMPLES: &str = "\
Examples:
  score --net '[C(64,3,1,1,1), P(2,2,0,0), SM(10)]' --draws 5
  score --replay-buffer runs/20261123T231500Z-search-1a2b3c --draws 5
  score --replay-buffer replay_buffer.csv --index 17 --full-training
  score --ensemble runs/20261123T231500Z-search-1a2b3c/ensemble.json --draws 5
  score --net '[C(64,3,1,1,1), P(2,2,0,0), SM(10)]' --draws 5 --store-embedding DIR
  score --resume runs/20261124T101500Z-score-4d5e6f      carry on after Ctrl-C, a crash or a power cut";

fn main() -> ExitCode {
    program::run(run)
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut session = Session::<ScoreOptions>::open(&arguments.flags, &arguments.run)?;
    let members = session.options.choice.ensemble.as_deref().map(read_members).transpose().context("ensemble")?;
    let job = job(&session, members.as_ref().map(|(first, _)| first))?;
    let data = session.load_data()?;
    let (options, stop) = (session.options.evaluation(), &session.stop);
    let random = deep_prior(options, &data, Arc::clone(stop))?.testing_every_epoch();
    let trained = match options.training.full_training {
        true => Some(full_training(options, &data, Arc::clone(stop))?.testing_every_epoch()),
        false => None,
    };

    let together = members.map(|(first, others)| EnsembleDraws::new(&random, first, others));
    let scorer: &dyn EvaluateDraw = together.as_ref().map_or(&random, |together| together);

    // Everything is checked before the folder is made.
    runner(&job, scorer, trained.as_ref()).check()?;
    let store = ScoreStore::of(&session.options, &job)?;
    if let (Some(store), None) = (&store, &session.resumed) {
        store.check_free(&job)?;
    }
    let folder = session.folder(&data, &format!("{} architectures, {} draws", job.targets.len(), job.draws))?;

    let mut progress = ScoreProgress::new(Some(log(&folder)?));
    let trained =
        trained.map(|trained| trained.with_checkpoints(folder.file("checkpoints")).with_epoch_hook(progress.epochs()));
    let mut begun = false;
    let report = runner(&job, scorer, trained.as_ref())
        .in_folder(folder.clone())
        .with_hook(|event: &ScoringEvent<'_>| {
            begun = true;
            progress.show(event);
            session.flow()
        })
        .run();
    progress.finish();

    let report = match report {
        Err(error) if begun => return Err(resumable::<ScoreOptions>(error, &folder)),
        report => report?,
    };
    let result = ScoreResult { folder: &folder, report: &report, settings: &folder.settings()? };
    folder.replace("report.html", result.html().as_bytes())?;
    let resume =
        || format!("the scores are kept; store the embeddings with: {}", resume_command::<ScoreOptions>(&folder));
    let stored = match store.filter(|_| report.stop == StopReason::Completed) {
        Some(store) => store.store(&random, &report, &data, &session.options).with_context(resume)?,
        None => Some(Vec::new()),
    };
    let mut json = result.json();
    if session.options.embedding.store_embedding.is_some() {
        json["embeddings"] = serde_json::json!(stored);
    }
    print(&if arguments.run.json { json.to_string() } else { result.text() })?;
    match &stored {
        Some(stored) => stored.iter().for_each(|path| eprintln(&format!("stored the embedding in {}", path.display()))),
        None => eprintln(&resume()),
    }
    Ok(match stored.is_some() && report.stop != StopReason::Interrupted {
        true => ExitCode::SUCCESS,
        false => interrupt::exit_status().unwrap_or(ExitCode::FAILURE),
    })
}

/// What is scored: the journal of a resumed run says so, the options of a new one.
fn job(session: &Session<ScoreOptions>, ensemble: Option<&Member>) -> Result<ScoringJob> {
    let options = &session.options;
    match (&session.resumed, ensemble) {
        (Some(folder), _) => Ok(ScoringJob::of_run(folder.path())?.1),
        (None, Some(first)) => Ok(ScoringJob {
            targets: vec![Target { group: Group::Ensemble, ..Target::given(first.net.clone()) }],
            seed: first.weight_seed,
            draws: options.choice.draws,
            weights: WeightDraw::PerSearch,
        }),
        (None, None) => Ok(ScoringJob {
            targets: options.choice.targets()?,
            seed: Seed(options.data.seed),
            draws: options.choice.draws,
            weights: options.encoder.draw.parse().context("draw")?,
        }),
    }
}

fn runner<'a>(job: &ScoringJob, random: &'a dyn EvaluateDraw, trained: Option<&'a FullTraining>) -> ScoringRunner<'a> {
    let runner = ScoringRunner::new(job.clone()).scored_by(Training::Random, random);
    match trained {
        Some(trained) => runner.scored_by(Training::Full, trained),
        None => runner,
    }
}
