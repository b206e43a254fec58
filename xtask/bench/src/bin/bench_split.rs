//! Times the parts of scoring architectures on device `cpu` and prints a JSON object for each.
#![forbid(unsafe_code)]

use clap::Parser;
use dpnas_bench::{Workload, split};
use dpnas_kernels::CpuEngine;
use std::num::NonZeroUsize;

/// Time the parts of scoring architectures on device `cpu`; a JSON object a line.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    workload: Workload,
    /// Images to calibrate on; each number is timed
    #[arg(long, value_delimiter = ',', default_value = "1024,4096")]
    calibration: Vec<NonZeroUsize>,
}

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn main() -> anyhow::Result<()> {
    let Arguments { workload, calibration } = Arguments::parse();
    let (plans, threads) = (workload.plans()?, workload.start_threads()?);
    let engine = CpuEngine::new(workload.precision)?;
    let pixels = workload.pixels();
    for plan in plans {
        let record = split(&engine, &plan, &pixels, &workload, &calibration, threads)?;
        println!("{}", serde_json::to_string(&record)?);
    }
    Ok(())
}
