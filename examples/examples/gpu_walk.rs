//! Scores random architectures on one device and times each, for `docs/gpu.md`. Prints one JSON object a line.
//!
//! ```sh
//! cargo run --release --features cudnn --example gpu_walk -- --device cudnn --precision bf16
//! ```
//! The same seeds give the same architectures, images and weights on every device.
#![expect(clippy::disallowed_methods, reason = "clock: it measures")]

use anyhow::{Context, Result};
use clap::Parser;
use dpnas::data::{Source, SyntheticConfig};
use dpnas::prelude::*;
use dpnas::search::Feedback;
use dpnas_devices::Device;
use serde_json::json;
use std::time::Instant;

/// Score random architectures on one device and time each.
#[derive(Parser)]
struct Arguments {
    /// The device
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// The precision of the encoder
    #[arg(long, default_value = "bf16")]
    precision: Precision,
    /// paper, reference-code or small
    #[arg(long, default_value = "paper")]
    space: String,
    /// Number of architectures
    #[arg(long, default_value_t = 50)]
    nets: u32,
    /// Synthetic training images of 28×28; a sixth as many test images are added
    #[arg(long, default_value_t = 60_000)]
    images: usize,
    /// Print the architectures alone
    #[arg(long)]
    list: bool,
    /// Draw of the weights
    #[arg(long, default_value_t = 0)]
    draw: u64,
}

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (train, test, shape) = (arguments.images, arguments.images / 6, ImageShape::square(1, 28));
    let (seed, synthetic) = (Seed(0), SyntheticConfig { train, test, shape, ..SyntheticConfig::small() });
    let space = SpaceSettings::named(&arguments.space).context("no such space")?.check(shape, synthetic.classes)?;
    let settings = SearchSettings { schedule: format!("1.0:{}", arguments.nets).parse()?, ..SearchSettings::paper() };
    let mut search = Search::new(space, settings, seed)?;
    // With ε = 1 no reward changes what is drawn.
    let reward = Feedback::Scored { reward: 0.5 };
    if arguments.list {
        while let Some(candidate) = search.ask()? {
            println!("{}", candidate.net);
            search.tell(candidate.id, reward)?;
        }
        return Ok(());
    }
    let data = Source::Synthetic(synthetic).load()?;
    let mut config =
        DeepPriorConfig { weight_seed: seed.derive("draw", arguments.draw), ..DeepPriorConfig::paper(seed) };
    config.probe.threads = std::thread::available_parallelism()?;
    let start = Instant::now();
    let engines = arguments.device.engines(arguments.precision)?;
    println!("{}", json!({"engine": engines.encoder.name(), "s": start.elapsed().as_secs_f64()}));
    let mut prior = DeepPrior::new(engines.encoder, Splits::hold_out(&data, seed)?, config);
    if let Some(classifier) = engines.classifier {
        prior = prior.with_fit_engine(classifier);
    }
    let mut seconds = Vec::new();
    while let Some(candidate) = search.ask()? {
        let plan = candidate.net.plan(shape)?;
        let start = Instant::now();
        let outcome = prior.score(&candidate.net)?;
        let took = start.elapsed().as_secs_f64();
        seconds.push(took);
        let scored = match &outcome {
            Outcome::Scored(metrics) => json!([metrics.reward, metrics.test_accuracy]),
            other => json!(format!("{other:?}")),
        };
        println!(
            "{}",
            json!({
                "net": candidate.net, "gflop per image": 2e-9 * plan.multiply_adds() as f64, "features": plan.features(),
                "parameters": plan.parameters(), "s": took, "reward and test": scored,
            })
        );
        search.tell(candidate.id, reward)?;
    }
    seconds.sort_by(f64::total_cmp);
    let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
    println!(
        "{}",
        json!({
            "nets": seconds.len(), "mean s": mean, "median s": seconds[seconds.len() / 2], "worst s": seconds.last(),
            "2403 nets, hours": mean * 2403.0 / 3600.0,
        })
    );
    Ok(())
}
