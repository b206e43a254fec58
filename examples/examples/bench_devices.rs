//! Measures architectures on any compiled device and prints a JSON object for each, for `cargo xtask bench --devices …`.

use clap::Parser;
use dpnas::kernels::{Level, Precision};
use dpnas_bench::{Workload, measure, peak_gflops};
use dpnas_devices::Device;

/// Measure architectures on a device; a JSON object for each.
#[derive(Parser)]
struct Arguments {
    /// cpu, flex, ndarray, cuda or cuda:N
    #[arg(long)]
    device: Device,
    #[command(flatten)]
    workload: Workload,
}

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn main() -> anyhow::Result<()> {
    let Arguments { device, workload } = Arguments::parse();
    let (plans, threads) = (workload.plans()?, workload.start_threads()?);
    let engine = device.engine(workload.precision)?;
    // Of the processor that the device runs on, whatever instructions its library uses.
    let peak = match (device, Level::available(Precision::F32).first()) {
        (Device::Cuda(_), _) | (_, None) => None,
        (_, Some(level)) => Some(peak_gflops(*level, Precision::F32, threads)),
    };
    for plan in plans {
        let record = measure(engine.as_ref(), &plan, &workload, threads, peak)?;
        println!("{}", serde_json::to_string(&record)?);
    }
    Ok(())
}
