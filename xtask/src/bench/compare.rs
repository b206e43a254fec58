//! Architectures × devices × precisions, ours and the peer's in turns.

use super::device::{Device, Precision};
use super::peer::Peer;
use super::record::{Figures, Printed, Row};
use super::watch::watch;
use crate::process::Call;
use anyhow::Context;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// What is measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) images: usize,
    pub(crate) channels: u32,
    pub(crate) size: u32,
    pub(crate) epochs: u32,
    pub(crate) threads: usize,
    pub(crate) rounds: usize,
    /// The two programs take the median of so many repeats in each round.
    pub(crate) repeats: usize,
    #[serde(skip)]
    pub(crate) precisions: Vec<Precision>,
    #[serde(skip)]
    pub(crate) nets: Vec<String>,
}

/// What is run.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) ours: Vec<(Device, Call)>,
    pub(crate) peer: Option<(Peer, Call)>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    /// The most that the processor was seen to do, in 10⁹ operations a second, by precision.
    pub(crate) peaks: BTreeMap<String, f64>,
    /// Runs of ours, and of the peer, that failed.
    pub(crate) errors: Vec<String>,
    pub(crate) peer_errors: Vec<String>,
}

/// The rounds of each side that succeeded: what was printed, and the memory that was seen.
type Rounds = Vec<(Printed, Option<u64>)>;

/// Measures architecture by architecture: in each round every device, then the peer.
///
/// # Errors
/// If no file can be written for the programs; what fails in them is among the errors of what was measured.
pub(crate) fn compare(root: &Path, settings: &Settings, programs: &Programs) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    let total = settings.nets.len() * settings.precisions.len();
    for (p, &precision) in settings.precisions.iter().enumerate() {
        for (index, net) in settings.nets.iter().enumerate() {
            let mut file = tempfile::Builder::new().suffix(".txt").tempfile().context("cannot write a file of nets")?;
            writeln!(file, "{net}").context("cannot write a file of nets")?;
            let options = settings.options(file.path());
            eprintln!("[{}/{total}] {} {net}", p * settings.nets.len() + index + 1, precision.name());
            let rows = measured.architecture(root, settings, programs, precision, &options);
            measured.rows.extend(rows.into_iter().map(|row| Row { net: net.clone(), ..row }));
        }
    }
    let Measured { rows, peaks, .. } = &mut measured;
    for row in rows.iter_mut() {
        let is_host = !row.device.starts_with("cuda");
        row.compare(peaks.get(&row.precision).copied().filter(|_| is_host));
    }
    Ok(measured)
}

impl Settings {
    /// The options that both programs take.
    fn options(&self, nets: &Path) -> Vec<String> {
        let pairs = [
            ("--nets", nets.to_string_lossy().into_owned()),
            ("--images", self.images.to_string()),
            ("--channels", self.channels.to_string()),
            ("--size", self.size.to_string()),
            ("--epochs", self.epochs.to_string()),
            ("--repeats", self.repeats.to_string()),
            ("--threads", self.threads.to_string()),
        ];
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}

impl Measured {
    fn architecture(
        &mut self,
        root: &Path,
        settings: &Settings,
        programs: &Programs,
        precision: Precision,
        options: &[String],
    ) -> Vec<Row> {
        let devices: Vec<&(Device, Call)> =
            programs.ours.iter().filter(|(device, _)| device.computes(precision)).collect();
        let mut ours: BTreeMap<&Device, Rounds> = BTreeMap::new();
        let mut peers: BTreeMap<&str, Rounds> = devices.iter().map(|(it, _)| (it.of_peer(), Vec::new())).collect();
        for _ in 0..settings.rounds {
            for (device, call) in &devices {
                let call = call.clone().args(options.iter().map(String::as_str));
                match run(root, &call.args(["--precision", precision.name()])) {
                    Ok(run) => {
                        if let (Some(peak), Device::Cpu) = (run.0.peak_gflops, device) {
                            let best = self.peaks.entry(precision.name().to_owned()).or_default();
                            *best = best.max(peak);
                        }
                        ours.entry(device).or_default().push(run);
                    }
                    Err(error) => note(&mut self.errors, &format!("device {device}: {error:#}")),
                }
            }
            for (device, rounds) in &mut peers {
                let Some((_, call)) = &programs.peer else { continue };
                let call = call.clone().args(options.iter().map(String::as_str));
                match run(root, &call.args(["--dtype", precision.name(), "--device", device])) {
                    Ok(run) => rounds.push(run),
                    Err(error) => note(&mut self.peer_errors, &format!("the peer failed: {error:#}")),
                }
            }
        }
        let rows = devices.iter().filter_map(|(device, _)| {
            let mine = ours.get(device).map(Vec::as_slice).unwrap_or_default();
            let theirs = peers.get(device.of_peer()).map(Vec::as_slice).unwrap_or_default();
            let first = mine.first().or(theirs.first()).map(|(printed, _)| printed)?;
            let engine = mine.first().and_then(|(printed, _)| printed.engine.clone()).unwrap_or_default();
            let batch = theirs.iter().max_by(|a, b| a.0.images_per_s.total_cmp(&b.0.images_per_s));
            let peer =
                programs.peer.as_ref().map(|(peer, _)| peer.engine(batch.and_then(|(printed, _)| printed.batch)));
            let mut row = Row {
                net: String::new(),
                device: device.to_string(),
                precision: precision.name().to_owned(),
                gflop_per_image: first.gflop_per_image,
                features: first.features,
                ours: Figures::best(engine, mine, settings.epochs),
                peer: Figures::best(peer.unwrap_or_default(), theirs, settings.epochs),
                encoder_ratio: None,
                classifier_ratio: None,
            };
            row.compare(None);
            report(&row);
            Some(row)
        });
        rows.collect()
    }
}

fn run(root: &Path, call: &Call) -> anyhow::Result<(Printed, Option<u64>)> {
    let ran = watch(call, root)?;
    let printed = Printed::parse(&ran.stdout).with_context(|| format!("`{call}`"))?;
    Ok((printed, ran.peak_bytes))
}

/// Prints an error once.
fn note(errors: &mut Vec<String>, error: &str) {
    eprintln!("error: {error}");
    errors.push(error.to_owned());
}

fn report(row: &Row) {
    let side = |name: &str, side: &Option<Figures>| {
        side.as_ref()
            .map_or(String::new(), |side| format!("; {name} {:.0} images/s, {:.3} s", side.images_per_s, side.probe_s))
    };
    let ratio = |name: &str, ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!("; {name} × {ratio:.2}"));
    eprintln!(
        "  {}{}{}{}{}",
        row.device,
        side("ours", &row.ours),
        side("PyTorch", &row.peer),
        ratio("encoder", row.encoder_ratio),
        ratio("classifier", row.classifier_ratio)
    );
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::peer::Mode;
    use super::super::record::fixture::{OURS, PEER};
    use super::super::summary::Summary;
    use super::*;

    fn settings(precisions: &[Precision]) -> Settings {
        Settings {
            images: 512,
            channels: 1,
            size: 28,
            epochs: 2,
            threads: 2,
            rounds: 2,
            repeats: 3,
            precisions: precisions.to_vec(),
            nets: vec!["[C(16,3,1,1,1), SM(10)]".to_owned()],
        }
    }

    /// A program that notes how it was called and prints a line.
    fn shell(folder: &Path, name: &str, script: &str) -> Call {
        let log = folder.join("log");
        Call::new("sh", ["-c", &format!("echo {name} \"$@\" >> {}; {script}", log.display()), "sh"])
    }

    fn programs(folder: &Path, peer: Option<&str>) -> Programs {
        let cat = |text: &str| format!("echo '{text}'");
        let device = |device: Device| {
            let call = shell(folder, &device.to_string(), &cat(OURS));
            (device, call)
        };
        let peer = peer.map(|script| {
            let peer = Peer { python: "sh".into(), torch: "2.15.0".into(), mode: Mode::Best };
            (peer, shell(folder, "peer", script))
        });
        Programs { ours: vec![device(Device::Cpu), device(Device::Flex)], peer }
    }

    #[test]
    fn ours_and_the_peer_take_turns_on_the_same_work() {
        let folder = tempfile::tempdir().unwrap();
        let programs = programs(folder.path(), Some(&format!("echo '{PEER}'")));
        let measured = compare(folder.path(), &settings(&[Precision::F32, Precision::Bf16]), &programs).unwrap();
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        let order: Vec<&str> = log.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(order, ["cpu", "flex", "peer", "cpu", "flex", "peer", "cpu", "peer", "cpu", "peer"]);
        let same = "--images 512 --channels 1 --size 28 --epochs 2 --repeats 3 --threads 2";
        assert!(log.lines().all(|line| line.contains(same)), "{log}");
        assert!(log.contains("--dtype bf16 --device cpu") && log.contains("--precision bf16"), "{log}");
        let rows: Vec<_> = measured.rows.iter().map(|row| (row.device.as_str(), row.precision.as_str())).collect();
        assert_eq!(rows, [("cpu", "f32"), ("flex", "f32"), ("cpu", "bf16")]);
        let row = &measured.rows[0];
        assert_eq!((row.encoder_ratio, row.classifier_ratio), (Some(2.0), Some(4.0)));
        assert_eq!(row.ours.as_ref().and_then(|ours| ours.share_of_peak), Some(0.25));
        assert_eq!(row.peer.as_ref().map(|peer| peer.engine.as_str()), Some("PyTorch 2.15.0 best, batch 32"));
        assert_eq!(row.ours.as_ref().map(|ours| ours.rounds.len()), Some(2));
        assert!(measured.errors.is_empty() && measured.peer_errors.is_empty());
        assert!((Summary::of(&measured.rows).encoder_f32_geomean.unwrap() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_peer_that_fails_leaves_ours_and_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let programs = programs(folder.path(), Some("echo 'RuntimeError: no kernel' >&2; exit 1"));
        let measured = compare(folder.path(), &settings(&[Precision::F32]), &programs).unwrap();
        assert_eq!(measured.rows.len(), 2);
        assert!(measured.rows.iter().all(|row| row.ours.is_some() && row.peer.is_none()));
        assert!(measured.peer_errors[0].starts_with("the peer failed: `sh -c "), "{:?}", measured.peer_errors);
        assert!(measured.peer_errors[0].ends_with("RuntimeError: no kernel"), "{:?}", measured.peer_errors);
        assert_eq!(Summary::of(&measured.rows).encoder_f32_worst, None);
    }

    #[test]
    fn without_a_peer_ours_is_measured_alone() {
        let folder = tempfile::tempdir().unwrap();
        let measured = compare(folder.path(), &settings(&[Precision::F32]), &programs(folder.path(), None)).unwrap();
        assert!(measured.rows.iter().all(|row| row.ours.is_some() && row.encoder_ratio.is_none()));
        assert_eq!(measured.peaks.get("f32"), Some(&32.0));
    }

    #[test]
    fn a_program_of_ours_that_prints_no_figures_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let ours = vec![(Device::Cpu, shell(folder.path(), "cpu", "echo nothing"))];
        let programs = Programs { ours, peer: None };
        let measured = compare(folder.path(), &settings(&[Precision::F32]), &programs).unwrap();
        assert!(measured.rows.is_empty() && measured.errors.len() == 2);
        assert!(measured.errors[0].contains("no figures in what it printed: `nothing`"), "{:?}", measured.errors);
    }
}
