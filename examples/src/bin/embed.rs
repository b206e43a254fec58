//! Embeds a data set with one architecture and stores the rows for other programs.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use dpnas::data::DataSet;
use dpnas::grammar::Net;
use dpnas::search::Seed;
use dpnas::store::{Existing, Manifest, Member, SplitName, StoredEmbedding};
use dpnas::{DeepPrior, EmbedError, ScoreError, StoreRequest, WeightDraw};
use dpnas_examples::data;
use dpnas_examples::ensemble::read_members;
use dpnas_examples::evaluation::{self, EvaluationOptions};
use dpnas_examples::interrupt::{self, stop_on_signals};
use dpnas_examples::options::{self, ClassifierOptions, EmbedFlags, EmbedOptions, TrainingOptions};
use dpnas_examples::program::{self, print};
use dpnas_examples::progress::eprintln;
use dpnas_examples::row_progress::RowProgress;
use dpnas_examples::session::use_threads;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Embeds a data set with one architecture and stores the rows, the labels and a manifest for other programs.
///
/// The folder appears complete or not at all. The splits are those of a search with the same seed.
#[derive(Parser)]
#[command(version, args_override_self = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    flags: EmbedFlags,
    /// New folder of the stored embedding
    #[arg(long, value_name = "DIR", help_heading = "Embedding", required_unless_present = "verify")]
    output: Option<PathBuf>,
    /// Replace a stored embedding there when the new one is complete
    #[arg(long, help_heading = "Embedding")]
    overwrite: bool,
    /// Read a stored embedding back and compare it with its checksums; store nothing
    #[arg(long, value_name = "DIR", help_heading = "Embedding", exclusive = true)]
    verify: Option<PathBuf>,
    /// Options from a TOML file; flags win
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    config: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long, help_heading = "Run")]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  embed --net '[C(32,3,1,1,1), P(2,2,0,0), SM(10)]' --output digits
  embed --net '[C(32,3,1,1,1), P(2,2,0,0), SM(10)]' --output digits --layout folder --overwrite
  embed --ensemble RUN/ensemble.json --output DIR
  embed --verify DIR                           are its files as they were stored?
  embed --net '[C(32,3,1,1,1), P(2,2,0,0), SM(10)]' --output draw-2 --weight-seed 2 --dataset DIR";

fn main() -> ExitCode {
    program::run(run)
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    if let Some(folder) = &arguments.verify {
        let stored = StoredEmbedding::open(folder)?;
        stored.verify()?;
        let checked = match stored.manifest().files.len() {
            0 => "it has no checksums, and its files can be read".to_owned(),
            files => format!("the checksums of {files} files and of the manifest are right"),
        };
        print(&format!("{}: {checked}", folder.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let output = arguments.output.context("no folder: give one with --output")?;
    let options: EmbedOptions = options::options(&arguments.flags, arguments.config.as_deref())?;
    let draw: WeightDraw = options.encoder.draw.parse().context("draw")?;
    let (first, others) = members(&options, draw)?;
    use_threads(&options.resources)?;
    let stop = stop_on_signals("ending; nothing will be stored. A second signal ends at once")?;
    let data = data::load(&options.data, &stop)?;
    let prior = deep_prior(&options, &data, stop)?;
    let request = StoreRequest {
        layout: options.embedding.layout.parse().context("layout")?,
        existing: if arguments.overwrite { Existing::Replace } else { Existing::Refuse },
        data: data.name.clone(),
        settings: serde_json::to_value(&options)?,
    };

    let progress = RowProgress::new(data.train.len() + data.test.len());
    let mut on_rows = |rows| progress.add(rows);
    let stored = match &others[..] {
        [] => prior.store_embedding(&first.net, first.weight_seed, &output, &request, &mut on_rows),
        others => prior.store_ensemble((&first, others), &output, &request, &mut on_rows),
    };
    drop(progress);
    let manifest = match stored {
        Err(EmbedError::Score(ScoreError::Interrupted)) => {
            eprintln("interrupted; nothing was stored");
            return Ok(interrupt::exit_status().unwrap_or(ExitCode::FAILURE));
        }
        stored => stored?,
    };
    print(&if arguments.json { json(&manifest, &output) } else { text(&manifest, &output) })?;
    Ok(ExitCode::SUCCESS)
}

/// The encoders whose rows are stored: the first one and those beside it.
fn members(options: &EmbedOptions, draw: WeightDraw) -> Result<(Member, Vec<Member>)> {
    let stored = &options.embedding;
    let Some(path) = &stored.ensemble else {
        let net = stored.net.as_deref();
        let net = net.context("no architecture: give one with --net, for example --net '[C(32,3,1,1,1), SM(10)]'")?;
        let net: Net = net.parse()?;
        let weight_seed = draw.seed(Seed(stored.weight_seed.unwrap_or(options.data.seed)), &net);
        return Ok((Member { net, weight_seed }, Vec::new()));
    };
    ensure!(stored.net.is_none(), "ensemble: it names the architectures; leave --net out");
    read_members(path)
}

/// What embeds. It uses the cache of an earlier search, and begins none.
fn deep_prior(options: &EmbedOptions, data: &DataSet, stop: Arc<AtomicBool>) -> Result<DeepPrior> {
    let mut resources = options.resources.clone();
    if !resources.cache_folder().is_some_and(|folder| folder.is_dir()) {
        resources.cache = Some("off".to_owned());
    }
    let classifier = ClassifierOptions { batch_size: options.embedding.batch_size, ..ClassifierOptions::default() };
    let options = EvaluationOptions {
        data: &options.data,
        encoder: &options.encoder,
        classifier: &classifier,
        training: &TrainingOptions::default(),
        resources: &resources,
    };
    evaluation::deep_prior(options, data, stop)
}

fn json(manifest: &Manifest, output: &Path) -> String {
    let mut json = serde_json::json!({
        "output": output,
        "layout": manifest.layout,
        "net": manifest.net,
        "weight_seed": manifest.weight_seed,
        "features": manifest.features,
        "rows": manifest.rows,
        "classes": manifest.class_names.len(),
    });
    if !manifest.members.is_empty() {
        json["members"] = serde_json::json!(manifest.members);
    }
    json.to_string()
}

fn text(manifest: &Manifest, output: &Path) -> String {
    let others = match manifest.members.len() {
        0 | 1 => String::new(),
        members => format!(" and {} more", members - 1),
    };
    let mut text = format!("Stored the embedding of {}{others} in {}:\n", manifest.net, output.display());
    for split in SplitName::ALL {
        text.push_str(&format!("  {split:<6}{:>8} rows of {} features\n", manifest.rows.of(split), manifest.features));
    }
    text.push_str(&format!("Layout {}, see manifest.json; how to load it: docs/guide/embed.md\n", manifest.layout));
    text
}
