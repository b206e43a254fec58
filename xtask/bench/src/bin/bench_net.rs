//! Measures architectures on device `cpu` and prints a JSON object for each, to be run in turns with a peer.
#![forbid(unsafe_code)]

use clap::Parser;
use dpnas_bench::{Workload, measure, peak_gflops};
use dpnas_kernels::CpuEngine;

/// Measure architectures on device `cpu`; a JSON object a line.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    workload: Workload,
}

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn main() -> anyhow::Result<()> {
    let Arguments { workload } = Arguments::parse();
    let (plans, threads) = (workload.plans()?, workload.start_threads()?);
    let engine = CpuEngine::new(workload.precision)?;
    let peak = peak_gflops(engine.level(), workload.precision, threads);
    let pixels = workload.pixels();
    for plan in plans {
        let record = measure(&engine, &plan, &pixels, &workload, threads, Some(peak))?;
        println!("{}", serde_json::to_string(&record)?);
    }
    Ok(())
}
