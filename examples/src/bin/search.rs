//! Searches for deep priors: random encoders whose embedding a linear classifier separates well.

use anyhow::{Context, Result};
use clap::Parser;
use dpnas::search::Seed;
use dpnas::{RunEvent, RunFolder, Runner, ScoreError, Splits, StopReason, pixel_baseline};
use dpnas_examples::earlier;
use dpnas_examples::fetching::was_stopped;
use dpnas_examples::interrupt::stop_on_ctrl_c;
use dpnas_examples::options::{self, Job, SearchFlags, SearchOptions};
use dpnas_examples::output::{SearchResult, print};
use dpnas_examples::progress::{SearchProgress, eprintln};
use dpnas_examples::session;
use std::fs::OpenOptions;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Searches for deep priors: convolutional encoders with random weights whose embedding a linear classifier separates
/// well.
///
/// With no arguments: a small search on the digits inside the program, on the CPU.
#[derive(Parser)]
#[command(version, args_override_self = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    flags: SearchFlags,
    /// Options from a TOML file, for example a run's settings.toml; flags win
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    config: Option<PathBuf>,
    /// Go on with an earlier run, from its folder alone
    #[arg(long, value_name = "RUN", conflicts_with = "config", help_heading = "Run")]
    resume: Option<PathBuf>,
    /// End after this many evaluations; go on later with --resume
    #[arg(long, value_name = "N", help_heading = "Run")]
    limit: Option<u64>,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long, help_heading = "Run")]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  search                                          a small search on the digits, 2 minutes
  search --dataset fashion-mnist --limit-train 10000     a data set that is fetched on first use
  search --dataset DIR --patch-size 32 --rgb             images in colour, a folder per class
  search --space paper --schedule paper --dataset fashion-mnist    the published search
  search --full-training --max-fc 2               a conventional search: everything is trained
  search --resume runs/20261123T231500Z-search-1a2b3c    go on after Ctrl-C, a crash or a power cut
  search --space reference-code --schedule paper --dataset fashion-mnist --continue-search
         --replay-buffer-csv-path replay_buffer.csv --q-values-csv-path q_values.csv
         --continue-epsilon 0.5 --continue-ite 40        go on with a run of the published program";

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
    let resumed = arguments.resume.map(RunFolder::open).transpose()?;
    let mut options: SearchOptions = match &resumed {
        Some(folder) => options::options_of_run(&arguments.flags, folder)?,
        None => options::options(&arguments.flags, arguments.config.as_deref())?,
    };
    session::use_threads(&options.resources)?;
    let stop = stop_on_ctrl_c("ending; what is there is kept. Once more to end at once")?;
    let data = session::data_until(&options.data, &stop)?;
    options.data.patch_size = Some(data.train.shape().height);
    let (search, earlier) = session::search(&options, &data, resumed.as_ref())?;
    let mut evaluator = session::scorer(options.scoring(), &data, Arc::clone(&stop))?;
    let folder = match resumed {
        Some(folder) => folder,
        None => RunFolder::create(options.resources.runs.as_ref(), "search", &options.to_toml()?)?,
    };
    announce(&options, &data, &folder);
    if let Some(earlier) = &earlier {
        earlier::announce(earlier, search.progress());
    }

    let log =
        OpenOptions::new().create(true).append(true).open(folder.file("log.txt")).context("cannot open log.txt")?;
    let mut progress = SearchProgress::new(Some(log));
    let mut runner = Runner::new(search, &mut evaluator).in_folder(folder.clone()).with_hook(|event: &RunEvent<'_>| {
        progress.show(event);
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(earlier) = earlier {
        runner = runner.continuing(earlier);
    }
    if let Some(limit) = arguments.limit {
        runner = runner.with_limit(limit);
    }
    let report = runner.run();
    if report.is_err() {
        progress.finish();
        return report
            .map(|report| report.stop)
            .with_context(|| format!("go on later with: search --resume {}", folder.path().display()));
    }
    let report = report?;
    let baseline = baseline(evaluator.splits(), &options, &stop);
    progress.finish();

    let settings = folder.settings()?;
    let input = data.train.shape();
    let result = SearchResult { folder: &folder, report: &report, input, baseline: baseline?, settings: &settings };
    folder.replace("report.html", result.html().as_bytes())?;
    print(&if arguments.json { result.json().to_string() } else { result.text() })?;
    Ok(report.stop)
}

/// The linear classifier on raw pixels; left out if the run is being interrupted.
fn baseline(splits: &Splits, options: &SearchOptions, stop: &AtomicBool) -> Result<Option<f64>> {
    if stop.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let probe = session::probe(&options.classifier, &options.resources, Seed(options.data.seed))?;
    match pixel_baseline(splits, &probe, stop) {
        Ok(fitted) => Ok(Some(fitted.report.test_accuracy)),
        Err(ScoreError::Interrupted) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn announce(options: &SearchOptions, data: &dpnas::data::DataSet, folder: &RunFolder) {
    eprintln(&format!(
        "{}: {} training and {} test images of {}, {} classes; device {}; run {}",
        data.name,
        data.train.len(),
        data.test.len(),
        data.train.shape(),
        data.train.classes(),
        options.resources.device,
        folder.path().display()
    ));
}
