//! The options of the comparison and what they stand for.

use super::compare::Settings;
use super::device::{Device, Precision};
use super::host::cores;
use super::peer::{Mode, NAME_ONE, Peer};
use anyhow::{Context, bail};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

/// The architectures that are measured by default, from the root.
pub(crate) const NETS: &str = "crates/dpnas-kernels/benches/nets-cpu.txt";

/// Runs within a turn, of which the median counts. Both programs: the peer's first classifier loads modules, which the
/// median of three leaves out.
const REPEATS: usize = 3;

/// Whole architectures: encoder and classifier, ours and the peer's in turns.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Comparison {
    /// Write host, settings, summary and all rows to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The Python that has PyTorch [default: the environment variable PYTHON, or else python3]
    #[arg(long, value_name = "EXE")]
    pub(crate) python: Option<String>,
    /// Measure ours alone
    #[arg(long, conflicts_with = "python")]
    pub(crate) no_peer: bool,
    /// What the peer does
    #[arg(long, value_enum, default_value = "best")]
    pub(crate) mode: Mode,
    /// Architectures, one a line [default: crates/dpnas-kernels/benches/nets-cpu.txt]
    #[arg(long, value_name = "FILE")]
    pub(crate) nets: Option<PathBuf>,
    /// Devices of ours: cpu, flex, ndarray, cuda or cuda:N; all but cpu build burn with optimisation
    #[arg(long, value_delimiter = ',', value_name = "DEVICE,…", default_value = "cpu")]
    pub(crate) devices: Vec<Device>,
    /// What maps and weights are stored in; other devices than cpu have f32 alone
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PRECISION,…", default_value = "f32,bf16")]
    pub(crate) precisions: Vec<Precision>,
    /// Images to embed and to train on [default: 2048, or 256 with --quick]
    #[arg(long)]
    pub(crate) images: Option<NonZeroUsize>,
    /// Channels of an image
    #[arg(long, default_value = "1")]
    pub(crate) channels: NonZeroU32,
    /// Rows and columns of an image
    #[arg(long, default_value = "28")]
    pub(crate) size: NonZeroU32,
    /// Epochs of the classifier [default: 10, or 2 with --quick]
    #[arg(long)]
    pub(crate) epochs: Option<NonZeroU32>,
    /// Turns of ours and the peer; each figure is the best of them [default: 2, or 1 with --quick]
    #[arg(long)]
    pub(crate) rounds: Option<NonZeroUsize>,
    /// Threads of both sides [default: one a core]
    #[arg(long)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Little work, to see that everything runs: the figures mean little
    #[arg(long)]
    pub(crate) quick: bool,
}

impl Comparison {
    /// What is measured.
    ///
    /// # Errors
    /// If the file of architectures cannot be read or is empty, or no device computes in a precision that was asked for.
    pub(crate) fn settings(&self, root: &Path) -> anyhow::Result<Settings> {
        let path = self.nets.clone().unwrap_or_else(|| root.join(NETS));
        let nets = nets(&path)?;
        for &precision in &self.precisions {
            if !self.devices.iter().any(|device| device.computes(precision)) {
                let name = precision.name();
                bail!("no device of --devices computes in {name}: add cpu, or leave {name} out of --precisions");
            }
        }
        let or = |number: Option<NonZeroUsize>, full, quick| {
            number.map_or(if self.quick { quick } else { full }, NonZeroUsize::get)
        };
        Ok(Settings {
            images: or(self.images, 2048, 256),
            channels: self.channels.get(),
            size: self.size.get(),
            epochs: self.epochs.map_or(if self.quick { 2 } else { 10 }, NonZeroU32::get),
            threads: self.threads.map_or_else(cores, NonZeroUsize::get),
            rounds: or(self.rounds, 2, 1),
            repeats: REPEATS,
            precisions: self.precisions.clone(),
            nets,
        })
    }

    /// The peer, or why there is none.
    pub(crate) fn peer(&self, root: &Path) -> Result<Peer, String> {
        match self.no_peer {
            true => Err(format!("no peer, as asked for; otherwise {NAME_ONE}")),
            false => Peer::find(root, self.python.as_deref(), self.mode),
        }
    }
}

/// The architectures of a file.
///
/// # Errors
/// If it cannot be read or has none.
pub(crate) fn nets(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let nets: Vec<String> = lines.map(str::to_owned).collect();
    if nets.is_empty() {
        bail!("{} has no architecture", path.display());
    }
    Ok(nets)
}

/// The settings of a small run.
#[cfg(test)]
pub(crate) fn fixture() -> Settings {
    tests::arguments(&["--quick"]).settings(&tests::root()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Comparison,
    }

    pub(super) fn arguments(line: &[&str]) -> Comparison {
        Program::parse_from(["bench"].iter().chain(line)).arguments
    }

    pub(super) fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn the_default_is_the_eight_nets_in_both_precisions_on_all_cores() {
        let settings = arguments(&[]).settings(&root()).unwrap();
        assert_eq!((settings.nets.len(), settings.images, settings.epochs, settings.rounds), (8, 2048, 10, 2));
        assert_eq!(settings.precisions, [Precision::F32, Precision::Bf16]);
        assert_eq!(settings.threads, cores());
    }

    #[test]
    fn quick_is_little_work_and_what_is_named_wins() {
        let settings = arguments(&["--quick", "--images", "64", "--threads", "1"]).settings(&root()).unwrap();
        assert_eq!((settings.images, settings.epochs, settings.rounds), (64, 2, 1));
        assert_eq!((settings.repeats, settings.threads), (3, 1));
    }

    #[test]
    fn lists_are_split_at_commas() {
        let arguments = arguments(&["--devices", "cpu,flex,cuda:1", "--precisions", "bf16"]);
        let names: Vec<String> = arguments.devices.iter().map(Device::to_string).collect();
        assert_eq!(
            (names, arguments.precisions),
            (vec!["cpu".into(), "flex".into(), "cuda:1".into()], vec![Precision::Bf16])
        );
    }

    #[test]
    fn a_precision_that_no_device_has_is_an_error() {
        let error = arguments(&["--devices", "flex"]).settings(&root()).unwrap_err().to_string();
        let message = "no device of --devices computes in bf16: add cpu, or leave bf16 out of --precisions";
        assert_eq!(error, message);
    }

    #[test]
    fn a_file_without_architectures_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nets.txt");
        std::fs::write(&path, "# none\n\n").unwrap();
        assert!(nets(&path).unwrap_err().to_string().ends_with("nets.txt has no architecture"));
        assert!(nets(&folder.path().join("other")).unwrap_err().to_string().starts_with("cannot read "));
    }

    #[test]
    fn ours_alone_is_said_in_one_line() {
        let why = arguments(&["--no-peer"]).peer(&root()).unwrap_err();
        assert!(why.starts_with("no peer, as asked for") && !why.contains('\n'), "{why}");
    }
}
