//! Draws the rewards of a search from a run folder or a replay buffer.

use anyhow::{Context, Result, bail};
use clap::Parser;
use dpnas::report::{PlotOptions, reward_plot};
use dpnas::{read_replay_buffer, reward_points};
use dpnas_examples::program::{self, print};
use dpnas_examples::session::quoted;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

/// Draws the rewards of a search: the moving average of 20 rewards, each reward as a point, a line where each ε ends.
#[derive(Parser)]
#[command(version, args_override_self = true, after_help = EXAMPLES)]
struct Arguments {
    /// A run folder, or a replay buffer CSV of this or the published program
    path: PathBuf,
    /// Where to write; .svg and .png are added [default: rewards in the run folder, or beside the CSV]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Title of the picture [default: the run's or file's name]
    #[arg(long)]
    title: Option<String>,
    /// Rewards in the moving average
    #[arg(long, value_name = "N", default_value_t = 20)]
    window: usize,
    /// Pixels of the PNG for each unit of the SVG
    #[arg(long, value_name = "X", default_value_t = 2.0)]
    scale: f32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  plot runs/20261123T231500Z-search-1a2b3c
  plot replay_buffer.csv --output figure --title 'FashionMNIST'";

fn main() -> ExitCode {
    program::run(run)
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let (csv, default_output) = if arguments.path.is_dir() {
        (arguments.path.join("replay_buffer.csv"), arguments.path.join("rewards"))
    } else {
        (arguments.path.clone(), arguments.path.with_extension(""))
    };
    let file = File::open(&csv).with_context(|| match arguments.path.is_dir() {
        true => format!(
            "{} has no replay_buffer.csv: `search --resume {}` writes it again from the journal",
            arguments.path.display(),
            quoted(&arguments.path)
        ),
        false => format!("cannot open {}", csv.display()),
    })?;
    let points = reward_points(&read_replay_buffer(file, &csv)?);
    let name = arguments.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut options = PlotOptions::titled(arguments.title.unwrap_or(name));
    options.window = arguments.window;
    let Some(svg) = reward_plot(&points, &options) else {
        let counting = points.iter().filter(|point| point.reward > 0.0).count();
        bail!(
            "{}: a moving average over {} needs more than {} architectures with a reward; there are {counting}",
            csv.display(),
            arguments.window,
            arguments.window
        );
    };
    let output = arguments.output.unwrap_or(default_output);
    let [svg_path, png_path] = ["svg", "png"].map(|ending| {
        let mut name = output.clone().into_os_string();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    });
    let write = |path: &PathBuf, content: &[u8]| {
        std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
    };
    write(&svg_path, svg.as_str().as_bytes())?;
    write(&png_path, &svg.to_png(arguments.scale)?)?;
    print(&match arguments.json {
        true => serde_json::json!({ "svg": svg_path, "png": png_path, "rows": points.len() }).to_string(),
        false => format!("{}\n{}", svg_path.display(), png_path.display()),
    })?;
    Ok(ExitCode::SUCCESS)
}
