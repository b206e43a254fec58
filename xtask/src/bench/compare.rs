//! Encoders and classifiers, architecture by architecture, ours and the peer's in turns.

use super::figures::{Figures, Report, Row, Summary};
use super::host::{Host, cores};
use super::peer::{Mode, Peer};
use super::programs;
use super::{table, training, write_json};
use crate::process::Call;
use anyhow::{Context, ensure};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// The architectures that are measured by default, from the root.
const NETS: &str = "crates/dpnas-kernels/benches/nets-cpu.txt";

/// Whole architectures: encoder and classifier, ours and the peer's in turns.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Comparison {
    /// Write host, summary and all rows to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The Python that has PyTorch [default: the environment variable PYTHON, or else python3]
    #[arg(long, value_name = "EXE")]
    python: Option<String>,
    /// Measure ours alone
    #[arg(long, conflicts_with = "python")]
    no_peer: bool,
    /// How the peer computes [default: best, and OpenVINO's encoders beside it where the Python has them]
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART,…", default_value = "encoder,training")]
    parts: Vec<Part>,
    /// Devices of ours: cpu, flex, ndarray, cuda or cuda:N; all but cpu build burn with optimisation
    #[arg(long, value_delimiter = ',', value_name = "DEVICE,…", default_value = "cpu")]
    devices: Vec<String>,
    /// Number types of maps and weights; bf16 is measured on device cpu alone
    #[arg(long, value_delimiter = ',', value_name = "PRECISION,…", default_value = "f32,bf16", value_parser = ["f32", "bf16"])]
    precisions: Vec<String>,
    /// Turns of ours and the peer; each figure is the best of them [default: 2, or 1 with --quick]
    #[arg(long)]
    rounds: Option<NonZeroUsize>,
    /// Epochs of the classifier [default: 10, or 2 with --quick]
    #[arg(long)]
    epochs: Option<u32>,
    #[command(flatten)]
    work: Work,
    /// Little work, to see that everything runs: the figures mean little
    #[arg(long)]
    quick: bool,
}

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Encoders with their classifiers
    Encoder,
    /// Full training
    Training,
}

/// Options that both programs take.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Work {
    /// Architectures, one a line [default: crates/dpnas-kernels/benches/nets-cpu.txt]
    #[arg(long, value_name = "FILE")]
    nets: Option<PathBuf>,
    /// Images to embed and to train on
    #[arg(long)]
    images: Option<NonZeroUsize>,
    /// Channels of an image
    #[arg(long, default_value_t = 1)]
    channels: u32,
    /// Rows and columns of an image
    #[arg(long, default_value_t = 28)]
    size: u32,
    /// Threads [default: one a core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

impl Work {
    /// The options, without the architectures.
    pub(crate) fn options(&self, images: usize, epochs: u32, repeats: usize) -> Vec<String> {
        let pairs = [
            ("--images", self.images(images).to_string()),
            ("--channels", self.channels.to_string()),
            ("--size", self.size.to_string()),
            ("--epochs", epochs.to_string()),
            ("--repeats", repeats.to_string()),
            ("--threads", self.threads.map_or_else(cores, NonZeroUsize::get).to_string()),
        ];
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// The number of images that was asked for, or this one.
    pub(crate) fn images(&self, default: usize) -> usize {
        self.images.map_or(default, NonZeroUsize::get)
    }

    /// The architectures.
    ///
    /// # Errors
    /// If the file cannot be read or has none.
    pub(crate) fn nets(&self, root: &Path) -> anyhow::Result<Vec<String>> {
        let path = self.nets.clone().unwrap_or_else(|| root.join(NETS));
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let nets: Vec<String> = lines.map(str::to_owned).collect();
        ensure!(!nets.is_empty(), "{} has no architecture", path.display());
        Ok(nets)
    }
}

/// The program that measures ours on a device; without burn on device `cpu`.
pub(crate) fn program(root: &Path, device: &str) -> anyhow::Result<Call> {
    if device == "cpu" {
        return programs::build(root, &["--release", "-p", "dpnas-bench"], "dpnas-bench");
    }
    eprintln!("device {device} needs burn with optimisation: the first build takes some minutes");
    let features = if device.starts_with("cuda") { "cuda" } else { "default" };
    let target = ["--release", "-p", "dpnas-examples", "--example", "bench_devices", "--features", features];
    Ok(programs::build(root, &target, "bench_devices")?.args(["--device", device]))
}

/// Adds a file with the net to a call, runs the call and reads the figures of its last line.
pub(crate) fn measure<T: serde::de::DeserializeOwned>(
    root: &Path,
    call: &Call,
    net: &str,
) -> anyhow::Result<(T, Option<u64>)> {
    let mut file = tempfile::NamedTempFile::new().context("cannot write a file of nets")?;
    writeln!(file, "{net}").context("cannot write a file of nets")?;
    programs::run(&call.clone().args(["--nets", &file.path().to_string_lossy()]), root)
}

/// Measures, prints the tables and writes the report.
///
/// # Errors
/// If a program of ours does not build or fails, or a file cannot be written.
pub(crate) fn run(root: &Path, arguments: &Comparison) -> anyhow::Result<()> {
    let Comparison { devices, precisions, quick, work, .. } = arguments;
    let epochs = arguments.epochs.unwrap_or(if *quick { 2 } else { 10 });
    // The median of three leaves out the peer's first classifier, which loads modules.
    let options = work.options(if *quick { 256 } else { 2048 }, epochs, 3);
    let rounds = arguments.rounds.map_or(if *quick { 1 } else { 2 }, NonZeroUsize::get);
    let find = |mode| match arguments.no_peer {
        true => None,
        false => Peer::find(root, arguments.python.as_deref(), mode).inspect_err(|why| eprintln!("{why}")).ok(),
    };
    let peer = find(arguments.mode.unwrap_or(Mode::Best));
    let openvino = peer.as_ref().filter(|_| arguments.mode.is_none()).and_then(|_| find(Mode::OpenVino));
    let encoders = if arguments.parts.contains(&Part::Encoder) { &devices[..] } else { &[] };
    let mut rows = Vec::new();
    for device in encoders {
        let ours = program(root, device)?.args(options.iter().map(String::as_str));
        let call = |peer: &Peer| peer.call(root).args(options.iter().map(String::as_str));
        let (theirs, openvino) = (peer.as_ref().map(call), openvino.as_ref().filter(|_| device == "cpu").map(call));
        for precision in precisions.iter().filter(|precision| device == "cpu" || *precision == "f32") {
            for net in work.nets(root)? {
                let of_peer = if device.starts_with("cuda") { device } else { "cpu" };
                let ours = ours.clone().args(["--precision", precision]);
                let theirs = theirs.clone().map(|call| call.args(["--dtype", precision, "--device", of_peer]));
                let (figures, peer) = take_turns(root, &ours, theirs.as_ref(), &net, rounds)?;
                let openvino = openvino.clone().map(|call| call.args(["--dtype", precision, "--device", "cpu"]));
                let openvino = match &openvino {
                    Some(call) => {
                        let (ours, theirs) = take_turns(root, &ours, Some(call), &net, rounds)?;
                        theirs.map(|theirs| ours.images_per_s / theirs.images_per_s)
                    }
                    None => None,
                };
                rows.push(Row { openvino_ratio: openvino, ..row(net, device, precision, figures, peer) });
            }
        }
    }
    let training = match arguments.parts.contains(&Part::Training) {
        true => training::run(root, devices, work, (peer.as_ref(), rounds, *quick))?,
        false => Vec::new(),
    };
    let host = Host::ask(root);
    let peer_line = peer.as_ref().map_or("no peer".to_owned(), Peer::line);
    if !rows.is_empty() {
        println!("{}", table::tables(&rows, epochs));
        println!(
            "`{}`; classifiers are measured on {epochs} epochs and scaled to 70. GFLOP/s count direct convolution.\n",
            options.join(" "),
        );
    }
    if !training.is_empty() {
        println!("{}", training::table(&training));
    }
    println!("{}, {peer_line}, the best of {rounds} turns.", host.line());
    let report = Report {
        host: &host,
        peer: peer.as_ref(),
        options: &options,
        summary: Summary::of(&rows, &training),
        rows: &rows,
        training: &training,
    };
    write_json(arguments.json.as_deref(), &report)
}

/// The best of several rounds of ours and then the peer's. A peer that fails is noted and has no figures.
fn take_turns(
    root: &Path,
    ours: &Call,
    theirs: Option<&Call>,
    net: &str,
    rounds: usize,
) -> anyhow::Result<(Figures, Option<Figures>)> {
    let figures = |call: &Call| -> anyhow::Result<Figures> {
        let (figures, peak_bytes) = measure(root, call, net)?;
        Ok(Figures { peak_bytes, ..figures })
    };
    let (mut best, mut best_peer) = (None, None);
    let mut theirs = theirs;
    for _ in 0..rounds {
        best = Some(figures(ours)?.or_better(best));
        match theirs.map(figures) {
            None => {}
            Some(Ok(figures)) => best_peer = Some(figures.or_better(best_peer)),
            Some(Err(error)) => {
                eprintln!("error: the peer failed: {error:#}");
                (theirs, best_peer) = (None, None);
            }
        }
    }
    Ok((best.context("there is at least one round")?, best_peer))
}

fn row(net: String, device: &str, precision: &str, ours: Figures, peer: Option<Figures>) -> Row {
    let encoder_ratio = peer.as_ref().map(|peer| ours.images_per_s / peer.images_per_s);
    let classifier_ratio = peer.as_ref().map(|peer| peer.probe_s / ours.probe_s);
    let ratio = |ratio: Option<f64>| ratio.map_or("none".to_owned(), |ratio| format!("{ratio:.2}"));
    eprintln!(
        "{device} {precision} {net}: {:.0} images/s, {:.3} s; encoder ratio {}, classifier ratio {}",
        ours.images_per_s,
        ours.probe_s,
        ratio(encoder_ratio),
        ratio(classifier_ratio)
    );
    let (device, precision) = (device.to_owned(), precision.to_owned());
    Row { net, device, precision, ours, peer, encoder_ratio, classifier_ratio, openvino_ratio: None }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::figures::tests::{OURS, PEER};
    use super::*;

    /// A program that notes its name in a file and runs a script.
    fn shell(folder: &Path, name: &str, script: &str) -> Call {
        let log = folder.join("log");
        Call::new("sh", ["-c", &format!("echo {name} >> {}; cat $2 >&2; {script}", log.display()), "sh"])
    }

    fn turns(peer: &str) -> (Vec<String>, Row) {
        let folder = tempfile::tempdir().unwrap();
        let ours = shell(folder.path(), "ours", &format!("echo '{OURS}'"));
        let theirs = shell(folder.path(), "peer", peer);
        let (ours, peer) = take_turns(folder.path(), &ours, Some(&theirs), "[SM(10)]", 2).unwrap();
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        (log.lines().map(str::to_owned).collect(), row("[SM(10)]".to_owned(), "cpu", "f32", ours, peer))
    }

    #[test]
    fn ours_and_the_peer_take_turns() {
        let (log, row) = turns(&format!("echo '{PEER}'"));
        assert_eq!(log, ["ours", "peer", "ours", "peer"]);
        assert_eq!((row.encoder_ratio, row.classifier_ratio), (Some(2.0), Some(4.0)));
        assert_eq!((row.ours.engine.as_deref(), row.peer.unwrap().batch), (Some("cpu avx2 f32 v1"), Some(32)));
        assert!((Summary::of(&[Row { peer: None, ..row }], &[]).encoder_f32_geomean.unwrap() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_peer_that_fails_leaves_ours() {
        let (log, row) = turns("echo 'RuntimeError: no kernel' >&2; exit 1");
        assert_eq!(log, ["ours", "peer", "ours"]);
        assert!(row.peer.is_none() && row.encoder_ratio.is_none() && row.ours.images_per_s == 2048.0);
    }

    #[test]
    fn a_program_of_ours_that_fails_is_an_error_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let ours = shell(folder.path(), "ours", "exit 1");
        let error = take_turns(folder.path(), &ours, None, "[SM(7)]", 1).unwrap_err().to_string();
        assert!(error.ends_with("ended with exit status: 1: [SM(7)]"), "{error}");
    }

    #[test]
    fn the_default_nets_are_eight_and_a_file_without_any_is_an_error() {
        let mut work = Work { nets: None, images: None, channels: 1, size: 28, threads: NonZeroUsize::new(2) };
        let options = "--images 256 --channels 1 --size 28 --epochs 2 --repeats 3 --threads 2";
        assert_eq!(work.options(256, 2, 3).join(" "), options);
        assert_eq!(work.nets(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap().len(), 8);
        work.nets = Some("/dev/null".into());
        assert_eq!(work.nets(Path::new(".")).unwrap_err().to_string(), "/dev/null has no architecture");
    }
}
