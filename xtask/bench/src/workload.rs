//! Which architectures are measured, and on how much.

use anyhow::{Context, Result, ensure};
use dpnas_grammar::{ImageShape, Net, Plan};
use dpnas_kernels::Precision;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The architectures and the work for each.
#[derive(Clone, Debug, clap::Args)]
pub struct Workload {
    /// A file with an architecture a line, beside empty lines and comments that start with #
    #[arg(long)]
    pub nets: PathBuf,
    /// Images to embed
    #[arg(long, default_value = "2048")]
    pub images: NonZeroUsize,
    /// Images to calibrate on; each number is timed
    #[arg(long, value_delimiter = ',', default_value = "256")]
    pub calibration: Vec<NonZeroUsize>,
    /// Channels of an image
    #[arg(long, default_value_t = 1)]
    pub channels: u32,
    /// Rows and columns of an image
    #[arg(long, default_value_t = 28)]
    pub size: u32,
    /// Epochs of the classifier
    #[arg(long, default_value_t = 10)]
    pub epochs: u32,
    /// Repetitions of encoder and classifier, of which the median counts
    #[arg(long, default_value = "3")]
    pub repeats: NonZeroUsize,
    /// Threads [default: one a core]
    #[arg(long)]
    pub threads: Option<NonZeroUsize>,
    /// Number type of maps and weights: f32 or bf16
    #[arg(long, default_value = "f32")]
    pub precision: Precision,
}

impl Workload {
    /// Starts the threads and gives their number.
    ///
    /// # Errors
    /// If this process has started its threads before.
    pub fn start_threads(&self) -> Result<NonZeroUsize> {
        let threads = self.threads.map_or_else(std::thread::available_parallelism, Ok)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get());
        pool.build_global().context("cannot start the threads")?;
        Ok(threads)
    }

    /// The plans of the architectures.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is no architecture for these images.
    pub fn plans(&self) -> Result<Vec<Plan>> {
        let file = self.nets.display();
        let text = std::fs::read_to_string(&self.nets).with_context(|| format!("cannot read {file}"))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let shape = ImageShape::square(self.channels, self.size);
        let plan = |line: &str| -> Result<Plan> { Ok(line.parse::<Net>()?.plan(shape)?) };
        let plans = lines.map(|line| plan(line).with_context(|| format!("`{line}` in {file}")));
        let plans = plans.collect::<Result<Vec<_>>>()?;
        ensure!(!plans.is_empty(), "{file} names no architecture");
        Ok(plans)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        workload: Workload,
    }

    /// A workload whose nets are the lines of a text.
    pub(crate) fn workload(text: &str, more: &[&str]) -> Workload {
        let name = format!("dpnas-bench-{}-{}.txt", std::process::id(), text.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Program::parse_from(["bench", "--nets", path.to_str().unwrap()].iter().chain(more)).workload
    }

    #[test]
    fn a_file_holds_an_architecture_a_line_beside_comments() {
        let workload = workload("# two\n[C(16,3,1,1,1), SM(10)]\n\n  [C(32,3,1,1,1), SM(10)]\n", &["--size", "4"]);
        let features: Vec<u64> = workload.plans().unwrap().iter().map(Plan::features).collect();
        assert_eq!(features, [16 * 16, 32 * 16]);
    }

    #[test]
    fn a_line_that_is_no_architecture_is_named() {
        let message = |text| workload(text, &[]).plans().unwrap_err().to_string();
        assert!(message("[SM(10)]\nnonsense\n").starts_with("`nonsense` in "));
        assert!(message("# nothing\n").ends_with("names no architecture"));
    }
}
