//! Measures architectures on device `cpu` and prints a JSON object for each.

use clap::Parser;
use dpnas_bench::{Workload, measure, peak_gflops};
use dpnas_kernels::CpuEngine;

/// Measure architectures on device `cpu`; a JSON object for each.
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
    for plan in plans {
        println!("{}", serde_json::to_string(&measure(&engine, &plan, &workload, threads, Some(peak))?)?);
    }
    Ok(())
}
