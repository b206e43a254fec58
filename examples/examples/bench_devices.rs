//! Measures architectures on any compiled device, or their full training, and prints a JSON object for each, for
//! `cargo xtask bench`.

use clap::Parser;
use dpnas::kernels::{Level, Precision};
use dpnas_bench::{Workload, measure, peak_gflops, training_rate};
use dpnas_devices::Device;

/// Measure architectures on a device; a JSON object for each.
#[derive(Parser)]
struct Arguments {
    /// cpu, flex, ndarray, cuda or cuda:N
    #[arg(long)]
    device: Device,
    /// Train encoder and classifier, instead of embedding
    #[arg(long)]
    training: bool,
    #[command(flatten)]
    workload: Workload,
}

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn main() -> anyhow::Result<()> {
    let Arguments { device, training, workload } = Arguments::parse();
    let (plans, threads) = (workload.plans()?, workload.start_threads()?);
    if training {
        let engine = device.trainer()?;
        for plan in plans {
            println!("{}", serde_json::to_string(&training_rate(engine.as_ref(), &plan, &workload)?)?);
        }
        return Ok(());
    }
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
