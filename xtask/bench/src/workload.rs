//! What is measured, and on how much.

use anyhow::{Context, Result, bail};
use dpnas_grammar::{ImageShape, Net, Plan};
use dpnas_kernels::Precision;
use dpnas_prior::{Images, Prior, WeightInit};
use dpnas_seed::Seed;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The architectures to measure and the work for each.
#[derive(Clone, Debug, clap::Args)]
pub struct Workload {
    /// A file with an architecture a line; lines that start with # are passed over
    #[arg(long)]
    pub nets: PathBuf,
    /// Measure these lines alone, counted from 1 [default: all]
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<usize>,
    /// Images to embed
    #[arg(long, default_value = "2048")]
    pub images: NonZeroUsize,
    /// Channels of an image
    #[arg(long, default_value_t = 1)]
    pub channels: u32,
    /// Rows and columns of an image
    #[arg(long, default_value_t = 28)]
    pub size: u32,
    /// Epochs of the classifier
    #[arg(long, default_value_t = 10)]
    pub epochs: u32,
    /// Runs of which the median counts
    #[arg(long, default_value = "3")]
    pub repeats: NonZeroUsize,
    /// Threads [default: one a core]
    #[arg(long)]
    pub threads: Option<NonZeroUsize>,
    /// What maps and weights are stored in: f32 or bf16
    #[arg(long, default_value = "f32")]
    pub precision: Precision,
}

/// Images that are computed at once.
pub(crate) const CHUNK: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// Added to variances, as in a search.
pub(crate) const EPSILON: f64 = 1e-4;
const SEED: Seed = Seed(1);

impl Workload {
    /// Starts the threads and gives their number.
    ///
    /// # Errors
    /// If this process has started its threads before.
    pub fn start_threads(&self) -> Result<NonZeroUsize> {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = self.threads.unwrap_or_else(cores);
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()
            .context("cannot start the threads")?;
        Ok(threads)
    }

    /// The plans of the architectures.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is no architecture for these images.
    pub fn plans(&self) -> Result<Vec<Plan>> {
        let text =
            std::fs::read_to_string(&self.nets).with_context(|| format!("cannot read {}", self.nets.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let numbered = lines.enumerate().map(|(index, line)| (index + 1, line));
        let wanted = numbered.filter(|(number, _)| self.only.is_empty() || self.only.contains(number));
        let plans = wanted.map(|(number, line)| {
            let net: Net = line.parse().with_context(|| format!("line {number} of {}", self.nets.display()))?;
            net.plan(self.shape()).with_context(|| format!("{net} on images of {}", self.shape()))
        });
        let plans = plans.collect::<Result<Vec<_>>>()?;
        if plans.is_empty() {
            bail!("{} names no architecture to measure", self.nets.display());
        }
        Ok(plans)
    }

    /// The pixels of the images: random, because time does not depend on what is seen.
    pub fn pixels(&self) -> Vec<f32> {
        pixels(self.shape(), self.images.get())
    }

    fn shape(&self) -> ImageShape {
        ImageShape::square(self.channels, self.size)
    }
}

/// Random pixels of images.
pub(crate) fn pixels(shape: ImageShape, images: usize) -> Vec<f32> {
    let mut pixels = vec![0.0; images * shape.elements().unwrap_or(0) as usize];
    SEED.stream("images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    pixels
}

/// The weights of a plan.
pub(crate) fn prior(plan: &Plan) -> Result<Prior> {
    Ok(Prior::draw(plan, WeightInit::KaimingNormal, SEED)?)
}

/// The first images of a set.
pub(crate) fn first<'a>(images: Images<'a>, count: usize) -> Images<'a> {
    let count = NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    images.chunks(count).next().unwrap_or(images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        workload: Workload,
    }

    fn workload(text: &str, more: &[&str]) -> Workload {
        let name = format!("dpnas-bench-{}-{}.txt", std::process::id(), text.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        let arguments = ["bench", "--nets", path.to_str().unwrap()];
        Program::parse_from(arguments.iter().chain(more)).workload
    }

    #[test]
    fn a_file_holds_an_architecture_a_line_beside_comments() {
        let text = "# two\n[C(16,3,1,1,1), SM(10)]\n\n  [C(32,3,1,1,1), SM(10)]\n";
        let features = |more: &[&str]| -> Vec<u64> {
            workload(text, more).plans().unwrap().iter().map(|plan| plan.features()).collect()
        };
        assert_eq!(features(&[]), [16 * 784, 32 * 784]);
        assert_eq!(features(&["--only", "2", "--size", "4"]), [32 * 16]);
    }

    #[test]
    fn a_line_that_is_no_architecture_is_named() {
        let error = workload("[C(16,3,1,1,1), SM(10)]\nnonsense\n", &[]).plans().unwrap_err();
        assert!(error.to_string().starts_with("line 2 of "), "{error}");
        let error = workload("# nothing\n", &[]).plans().unwrap_err();
        assert!(error.to_string().ends_with("names no architecture to measure"), "{error}");
    }
}
