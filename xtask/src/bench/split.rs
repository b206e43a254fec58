//! `cargo xtask bench split`: where the time of scoring one architecture goes.

use super::build::build;
use super::device::Precision;
use super::host::{Host, cores};
use super::settings::NETS;
use super::table::{Table, whole};
use super::watch::watch;
use super::{settings, write_json};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

/// Drawing and packing weights, calibrating, embedding and the classifier, on device cpu.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Architectures, one a line [default: crates/dpnas-kernels/benches/nets-cpu.txt]
    #[arg(long, value_name = "FILE")]
    nets: Option<PathBuf>,
    /// Images to embed; a tenth of them are validated
    #[arg(long, default_value = "10000")]
    images: NonZeroUsize,
    /// Images to calibrate on; each number is timed
    #[arg(long, value_delimiter = ',', value_name = "N,…", default_value = "1024,4096")]
    calibration: Vec<NonZeroUsize>,
    /// Epochs of the classifier
    #[arg(long, default_value = "70")]
    epochs: NonZeroU32,
    /// What maps and weights are stored in
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
    /// Threads [default: one a core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Write the rows to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What the program prints for an architecture.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Parts {
    net: String,
    engine: String,
    features: u64,
    draw_s: f64,
    load_s: f64,
    encode_s: f64,
    /// Images of the calibration set, and seconds with embedding.
    calibrate_and_encode_s: Vec<(usize, f64)>,
    probe_s: f64,
}

impl Parts {
    /// The score's seconds without calibration.
    fn rest(&self) -> f64 {
        self.draw_s + self.load_s + self.encode_s + self.probe_s
    }

    /// What each calibration adds to the score: images and seconds.
    fn calibrations(&self) -> impl Iterator<Item = (usize, f64)> {
        self.calibrate_and_encode_s.iter().map(|(images, seconds)| (*images, seconds - self.encode_s))
    }

    /// The score's seconds with the first calibration.
    fn total(&self) -> f64 {
        self.rest() + self.calibrations().next().map_or(0.0, |(_, seconds)| seconds)
    }
}

/// Times the parts and prints the table.
///
/// # Errors
/// If the program does not build or fails.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let program = build(root, ["--release", "-p", "dpnas-bench", "--bin", "bench_split"], "bench_split")?;
    let nets = settings::nets(&arguments.nets.clone().unwrap_or_else(|| root.join(NETS)))?;
    let calibration = arguments.calibration.iter().map(NonZeroUsize::to_string).collect::<Vec<_>>().join(",");
    let threads = arguments.threads.map_or_else(cores, NonZeroUsize::get);
    let options = [
        ("--images", arguments.images.to_string()),
        ("--epochs", arguments.epochs.to_string()),
        ("--threads", threads.to_string()),
        ("--precision", arguments.precision.name().to_owned()),
        ("--calibration", calibration),
    ];
    let mut rows = Vec::new();
    for net in &nets {
        let mut file = tempfile::Builder::new().suffix(".txt").tempfile().context("cannot write a file of nets")?;
        writeln!(file, "{net}").context("cannot write a file of nets")?;
        let mut call = program.clone().arg("--nets").arg(&file.path().to_string_lossy());
        for (name, value) in &options {
            call = call.arg(name).arg(value);
        }
        eprintln!("{net}");
        let output = watch(&call, root)?.stdout;
        rows.push(
            serde_json::from_str::<Parts>(output.trim()).with_context(|| format!("`{call}` printed `{output}`"))?,
        );
    }
    println!("{}", table(&rows));
    let (host, Arguments { images, epochs, .. }) = (Host::ask(root).line(), arguments);
    let engine = rows.first().map_or("", |row| row.engine.as_str());
    println!(
        "{host}, `{engine}`. {images} images, {epochs} epochs, {threads} threads. Calibrating is what it adds to embedding \
         all images, its own among them. Shares are of a score with that calibration; the score's seconds are with the \
         first."
    );
    arguments.json.as_ref().map_or(Ok(()), |path| write_json(path, &rows))
}

fn table(rows: &[Parts]) -> String {
    let calibrations: Vec<usize> =
        rows.first().into_iter().flat_map(Parts::calibrations).map(|(images, _)| images).collect();
    let names = calibrations.iter().map(|images| format!("calibrate on {} s", whole(*images as u64)));
    let columns: Vec<String> = ["net", "draw s", "load s"]
        .map(str::to_owned)
        .into_iter()
        .chain(names)
        .chain(["encode s", "classifier s", "score s"].map(str::to_owned))
        .collect();
    let mut table = Table::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        let part = |seconds: f64, total: f64| format!("{seconds:.3} ({:.1} %)", 100.0 * seconds / total);
        let mut cells = vec![format!("`{}`", row.net), part(row.draw_s, row.total()), part(row.load_s, row.total())];
        cells.extend(row.calibrations().map(|(_, seconds)| part(seconds, row.rest() + seconds)));
        cells.extend([part(row.encode_s, row.total()), part(row.probe_s, row.total())]);
        cells.push(format!("{:.2}", row.total()));
        table.row(cells);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_share_of_the_score() {
        let line = r#"{"net":"[SM(10)]","engine":"cpu avx2 f32 v1","images":10000,"features":784,"epochs":70,
            "draw_s":0.25,"load_s":0.25,"encode_s":2.0,"calibrate_and_encode_s":[[1024,2.5],[4096,4.0]],"probe_s":1.0}"#;
        let text = table(&[serde_json::from_str(line).unwrap()]);
        let lines: Vec<&str> = text.lines().collect();
        let head = "| net | draw s | load s | calibrate on 1,024 s | calibrate on 4,096 s | encode s | classifier s | score s |";
        assert_eq!(lines[0], head);
        let row = "| `[SM(10)]` | 0.250 (6.2 %) | 0.250 (6.2 %) | 0.500 (12.5 %) | 2.000 (36.4 %) | 2.000 (50.0 %) | 1.000 (25.0 %) | 4.00 |";
        assert_eq!(lines[2], row);
    }
}
