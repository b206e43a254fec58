//! Full training, ours and the peer's in turns.

use super::compare::{Work, measure};
use super::figures::geomean_and_worst;
use super::peer::Peer;
use super::programs;
use super::table::{Table, number, whole};
use crate::process::Call;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Images of an epoch: whole mini-batches of 128.
const IMAGES: usize = 1024;
const QUICK_IMAGES: usize = 256;

/// What either program prints of an architecture; each prints more.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Rate {
    images_per_s: f64,
}

/// One architecture on one device.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrainingRow {
    net: String,
    pub(crate) device: String,
    images: usize,
    images_per_s: f64,
    /// The faster of PyTorch's plain module and `torch.compile`.
    peer_images_per_s: Option<f64>,
    /// Above 1, ours is faster.
    pub(crate) ratio: Option<f64>,
}

/// Trains each architecture on each device; the peer takes turns with device `cpu`.
///
/// # Errors
/// If a program of ours does not build or fails.
pub(crate) fn run(
    root: &Path,
    devices: &[String],
    work: &Work,
    (peer, rounds, quick): (Option<&Peer>, usize, bool),
) -> anyhow::Result<Vec<TrainingRow>> {
    let images = work.images(if quick { QUICK_IMAGES } else { IMAGES });
    let options = work.options(images, 1, 3);
    let options: Vec<&str> = options.iter().map(String::as_str).chain(["--training"]).collect();
    let mut rows = Vec::new();
    for device in devices {
        eprintln!("full training builds burn with optimisation: the first build takes some minutes");
        let features = if device.starts_with("cuda") { "cuda" } else { "default" };
        let target = ["--release", "-p", "dpnas-examples", "--example", "bench_devices", "--features", features];
        let ours = programs::build(root, &target, "bench_devices")?.args(["--device", device]);
        let ours = ours.args(options.iter().copied());
        let theirs = peer.filter(|_| device == "cpu").map(|peer| peer.call(root).args(options.iter().copied()));
        for net in work.nets(root)? {
            rows.push(TrainingRow { images, ..row(root, device, net, (&ours, theirs.as_ref()), rounds)? });
        }
    }
    Ok(rows)
}

/// The best of several rounds. A peer that fails is noted and has no figures.
fn row(
    root: &Path,
    device: &str,
    net: String,
    (ours, mut theirs): (&Call, Option<&Call>),
    rounds: usize,
) -> anyhow::Result<TrainingRow> {
    let rate = |call: &Call| -> anyhow::Result<f64> { Ok(measure::<Rate>(root, call, &net)?.0.images_per_s) };
    let (mut images_per_s, mut peer_images_per_s) = (0.0f64, None::<f64>);
    for _ in 0..rounds {
        images_per_s = images_per_s.max(rate(ours)?);
        match theirs.map(rate) {
            None => {}
            Some(Ok(rate)) => peer_images_per_s = Some(peer_images_per_s.map_or(rate, |best| best.max(rate))),
            Some(Err(error)) => {
                eprintln!("error: the peer failed: {error:#}");
                (theirs, peer_images_per_s) = (None, None);
            }
        }
    }
    let ratio = peer_images_per_s.map(|peer| images_per_s / peer);
    let text = ratio.map_or("none".to_owned(), |ratio| format!("{ratio:.2}"));
    eprintln!("training {device} {net}: {images_per_s:.0} images/s; ratio {text}");
    Ok(TrainingRow { net, device: device.to_owned(), images: 0, images_per_s, peer_images_per_s, ratio })
}

/// Geometric mean and worst of the ratios on device `cpu`.
pub(crate) fn summary(rows: &[TrainingRow]) -> Option<(f64, f64)> {
    geomean_and_worst(rows.iter().filter(|row| row.device == "cpu").map(|row| row.ratio))
}

/// A row for each architecture and device.
pub(crate) fn table(rows: &[TrainingRow]) -> String {
    let mut table = Table::new(&["net", "device", "images/s", "PyTorch images/s", "ratio"]);
    for row in rows {
        table.row(&[
            format!("`{}`", row.net),
            row.device.clone(),
            number(row.images_per_s),
            row.peer_images_per_s.map(number).unwrap_or_default(),
            row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
        ]);
    }
    if let Some((mean, worst)) = summary(rows) {
        let name = format!("**geometric mean** (worst {worst:.2})");
        table.row(&[name, "cpu".to_owned(), String::new(), String::new(), format!("**{mean:.2}**")]);
    }
    let images = rows.first().map_or(0, |row| row.images);
    format!("Full training, epochs of {} images, mini-batches of 128:\n\n{}", whole(images as u64), table.text)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn ours_and_the_peer_take_turns_and_the_best_of_each_counts() {
        let folder = tempfile::tempdir().unwrap();
        // Each turn is faster than the one before.
        let script = |first: u32| {
            let script = format!(
                "echo >> turns-{first}; n=$(wc -l < turns-{first}); echo '{{\"images_per_s\": '$(({first} * n)).0'}}'"
            );
            Call::new("sh", ["-c", &script, "sh"])
        };
        let row = row(folder.path(), "cpu", "[SM(10)]".into(), (&script(300), Some(&script(100))), 2).unwrap();
        assert_eq!((row.images_per_s, row.peer_images_per_s, row.ratio), (600.0, Some(200.0), Some(3.0)));
        let slow = TrainingRow { ratio: Some(0.75), ..row.clone() };
        let other = TrainingRow { device: "flex".into(), ratio: None, ..row.clone() };
        let text = table(&[row, slow, other]);
        assert!(text.contains("| `[SM(10)]` | cpu | 600 | 200 | 3.00 |"), "{text}");
        assert!(text.ends_with("| **geometric mean** (worst 0.75) | cpu |  |  | **1.50** |\n"), "{text}");
    }
}
