//! Learns streams of classes on frozen random encoders and compares methods of continual learning.

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use dpnas::StopReason;
use dpnas::continual::{ContinualEvent, ContinualRunner, EmbeddingRows, PriorRows, RowSource, save_statistics};
use dpnas::heads::Statistics;
use dpnas::store::StoredEmbedding;
use dpnas_examples::continual_output::{ContinualProgress, ContinualResult};
use dpnas_examples::ensemble::read_members;
use dpnas_examples::evaluation::{deep_prior, memory_budget};
use dpnas_examples::interrupt;
use dpnas_examples::options::{ContinualFlags, ContinualOptions};
use dpnas_examples::program::{self, print};
use dpnas_examples::progress::eprintln;
use dpnas_examples::session::{RunFlags, Session, log, resumable};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Learns streams of classes on a frozen random encoder and compares methods: closed-form heads, replay, joint training.
///
/// Without arguments: the digits in five steps of two classes, three class orders.
#[derive(Parser)]
#[command(version, args_override_self = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    flags: ContinualFlags,
    #[command(flatten)]
    run: RunFlags,
}

const EXAMPLES: &str = "\
Examples:
  continual
  continual --net '[C(64,3,1,1,1), P(2,2,0,0), SM(10)]' --dataset fashion-mnist --steps 10x1 --orders 10 --draws 5
  continual --ensemble RUN/ensemble.json --methods joint-ridge,ridge,lda
  continual --embedding DIR --methods joint,ridge,lda,replay --online --buffer 200
  continual --methods ridge --norm none --dataset SITE_1 --save-state 1.safetensors
  continual --methods ridge --norm none --dataset SITE_2 --load-state 1.safetensors --save-state both.safetensors
  continual --resume runs/20261124T101500Z-continual-4d5e6f      carry on after Ctrl-C, a crash or a power cut";

/// The encoder of a run that names none.
const NET: &str = "[C(64,3,1,1,1), P(2,2,0,0), SM(10)]";

fn main() -> ExitCode {
    program::run(run)
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut session = Session::<ContinualOptions>::open(&arguments.flags, &arguments.run)?;
    let (source, about) = source(&mut session)?;
    let features = source.features(dpnas::continual::Input::Embedding).unwrap_or_default();
    let job = session.options.job(source.classes(), features)?;
    let about = format!(
        "{about}, {features} features; {} methods, {} orders, {} draws",
        job.methods.len(),
        job.orders.len(),
        job.draws
    );
    let budget = memory_budget(&session.options.resources)?;
    // Everything is checked before the folder is made.
    let mut runner = ContinualRunner::new(job, &*source, budget)?.with_stop_flag(Arc::clone(&session.stop));
    let learning = &session.options.learning;
    if let Some(path) = &learning.load_state {
        let bytes = std::fs::read(path).with_context(|| format!("load-state: cannot read {path}"))?;
        let start = Statistics::from_bytes(&bytes).with_context(|| format!("load-state: {path}"))?;
        runner = runner.starting_from(start).with_context(|| format!("load-state: {path}"))?;
    }
    if let Some(path) = &learning.save_state {
        runner = runner.keeping_statistics().context("save-state")?;
        let path = Path::new(path);
        let parent = path.parent().unwrap_or(path);
        ensure!(parent.is_dir(), "save-state: {} is no folder: make it first", parent.display());
        let free = session.resumed.is_some() || !path.exists();
        ensure!(free, "save-state: {} exists already: choose another file", path.display());
    }
    let folder = session.folder_of(&about)?;

    let mut progress = ContinualProgress::new(log(&folder)?);
    let mut begun = false;
    let mut runner = runner.in_folder(folder.clone()).with_hook(|event: &ContinualEvent<'_>| {
        begun = true;
        progress.show(event);
        session.flow()
    });
    let report = runner.run();
    let statistics = runner.statistics().cloned();
    drop(runner);
    progress.finish();
    let report = match report {
        Err(error) if begun => return Err(resumable::<ContinualOptions>(error, &folder)),
        report => report?,
    };
    let result = ContinualResult { folder: &folder, report: &report, settings: &folder.settings()? };
    folder.replace("report.html", result.html().as_bytes())?;
    if let (Some(path), Some(statistics)) = (&session.options.learning.save_state, &statistics) {
        // A resumed run may have saved it before.
        let same = || std::fs::read(path).is_ok_and(|bytes| statistics.to_bytes().is_ok_and(|own| own == bytes));
        let saved = match Path::new(path).exists() {
            true if same() => Ok(()),
            true => Err(anyhow!("{path} exists already and holds something else: move it away")),
            false => save_statistics(statistics, Path::new(path)).map_err(anyhow::Error::from),
        };
        saved.context("save-state").map_err(|error| resumable::<ContinualOptions>(error, &folder))?;
        eprintln(&format!("saved the statistics of {} rows in {path}", statistics.rows()));
    }
    print(&if arguments.run.json { result.json().to_string() } else { result.text() })?;
    Ok(match report.stop == StopReason::Interrupted {
        false => ExitCode::SUCCESS,
        true => interrupt::exit_status().unwrap_or(ExitCode::FAILURE),
    })
}

/// The rows to learn, and a description of them.
fn source(session: &mut Session<ContinualOptions>) -> Result<(Box<dyn RowSource>, String)> {
    let learning = session.options.learning.clone();
    if let Some(path) = &learning.embedding {
        ensure!(learning.ensemble.is_none(), "ensemble: the rows are those of --embedding; leave one of them out");
        let embedding = StoredEmbedding::open(path).context("embedding")?;
        let rows = EmbeddingRows::read(&embedding).context("embedding")?;
        let about =
            format!("{path}: {} training and {} test rows", rows.train_labels().len(), rows.test_labels().len());
        return Ok((Box::new(rows), about));
    }
    let members = learning.ensemble.as_deref().map(read_members).transpose().context("ensemble")?;
    ensure!(members.is_none() || learning.net.is_none(), "ensemble: it names the architectures; leave --net out");
    let net = learning.net.as_deref().unwrap_or(NET).parse()?;
    let data = session.load_data()?;
    let prior =
        deep_prior(dpnas_examples::options::Run::evaluation(&session.options), &data, Arc::clone(&session.stop))?;
    let (train, test) = (data.train.len(), data.test.len());
    let rows = match members {
        Some((first, others)) => PriorRows::of_ensemble(prior, (&first, &others))?,
        None => PriorRows::new(prior, net)?,
    };
    Ok((Box::new(rows), format!("{}: {train} training and {test} test images", data.name)))
}
