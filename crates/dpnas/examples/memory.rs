//! Scores one net on synthetic images within a memory budget and prints memory and time as a JSON object.
//! `cargo xtask bench memory` and `cargo xtask bench growth` make tables of them.
//!
//! `memory IMAGES SIDE BUDGET_MIB EPOCHS NET [FOLDER]`: with a folder, it holds a cache of embeddings; without one,
//! rows that do not fit the memory go to an unnamed file in `target`.

use dpnas::cache::Cache;
use dpnas::data::{DataSet, Source, SyntheticConfig};
use dpnas::grammar::{ImageShape, Net};
use dpnas::kernels::{CpuEngine, Precision};
use dpnas::seed::Seed;
use dpnas::{DeepPrior, DeepPriorConfig, Outcome, RowPlace, Splits};
use std::error::Error;
use std::time::Instant;

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
#[expect(clippy::disallowed_methods, reason = "clock: it measures")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [images, side, budget, epochs, net, folder @ ..] = &arguments[..] else {
        return Err("usage: memory IMAGES SIDE BUDGET_MIB EPOCHS NET [FOLDER]".into());
    };
    let net: Net = net.parse()?;
    let mut config = DeepPriorConfig::paper(Seed(0));
    config.memory_budget = budget.parse::<u64>()? << 20;
    config.probe.epochs = epochs.parse()?;
    config.probe.threads = std::thread::available_parallelism()?;

    let program = peak_bytes()?;
    let splits = Splits::hold_out(&images_of(images.parse()?, side.parse()?)?, Seed(0))?;
    let (loaded, shape) = (peak_bytes()?, splits.train.shape());
    let engine = CpuEngine::new(Precision::F32)?;
    let mut prior = DeepPrior::new(Box::new(engine), splits, config).with_scratch_folder("target");
    if let [folder] = folder {
        prior = prior.with_cache(Cache::open(folder, 1 << 40)?);
    }
    let plan = net.plan(shape)?;
    let start = Instant::now();
    let outcome = prior.score(&net)?;
    let seconds = start.elapsed().as_secs_f64();
    let peak = peak_bytes()?;

    let Outcome::Scored(score) = outcome else { return Err(format!("{outcome:?}").into()) };
    let memory = prior.memory_plan(&plan)?;
    let rows = match memory.rows {
        RowPlace::Memory => "memory",
        RowPlace::File => "file",
    };
    let all = prior.splits().train.len() + prior.splits().valid.len() + prior.splits().test.len();
    let report = serde_json::json!({
        "net": net.to_string(),
        "images": all,
        "features": plan.features(),
        "embedding_bytes": 4 * plan.features() * all as u64,
        "rows": rows,
        "chunk": memory.chunk,
        "budget_bytes": memory.budget,
        "program_bytes": program,
        "loaded_bytes": loaded,
        "peak_bytes": peak,
        "seconds": seconds,
        "reward": score.reward,
    });
    println!("{report}");
    Ok(())
}

fn images_of(images: usize, side: u32) -> Result<DataSet, Box<dyn Error>> {
    let shape = ImageShape::square(1, side);
    let config = SyntheticConfig { train: images, test: images / 10, classes: 10, shape, noise: 0.5, seed: Seed(0) };
    Ok(Source::Synthetic(config).load()?)
}

/// Peak resident memory of this process in bytes, including pages of mapped files.
fn peak_bytes() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}
