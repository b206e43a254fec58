//! `cargo xtask bench split`: where the time of scoring one architecture goes.

use super::compare::{Work, measure, program};
use super::host::Host;
use super::table::{Table, whole};
use super::write_json;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Drawing and packing weights, calibrating, embedding and the classifier, on device cpu.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    work: Work,
    /// Images to calibrate on; each number is timed
    #[arg(long, value_delimiter = ',', value_name = "N,…", default_value = "1024,4096")]
    calibration: Vec<NonZeroUsize>,
    /// Epochs of the classifier
    #[arg(long, default_value_t = 70)]
    epochs: u32,
    /// Number type of maps and weights: f32 or bf16
    #[arg(long, default_value = "f32")]
    precision: String,
    /// Write the rows to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The seconds of an architecture.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Parts {
    net: String,
    engine: String,
    draw_s: f64,
    load_s: f64,
    encode_s: f64,
    /// Images of the calibration set, and seconds with embedding.
    calibrate_and_encode_s: Vec<(usize, f64)>,
    probe_s: f64,
}

/// Times the parts and prints the table.
///
/// # Errors
/// If the program does not build or fails.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let calibration = arguments.calibration.iter().map(NonZeroUsize::to_string).collect::<Vec<_>>().join(",");
    let options = arguments.work.options(10_000, arguments.epochs, 1);
    let call = program(root, "cpu")?.args(options.iter().map(String::as_str));
    let call = call.args(["--calibration", &calibration, "--precision", &arguments.precision]);
    let mut rows = Vec::new();
    for net in arguments.work.nets(root)? {
        eprintln!("{net}");
        rows.push(measure::<Parts>(root, &call, &net)?.0);
    }
    println!("{}", table(&rows));
    println!(
        "{}, `{}`, `{}`. Calibrating is what it adds to embedding all images, its own among them. Shares are of a score \
         with that calibration; the score's seconds are with the first.",
        Host::ask(root).line(),
        rows.first().map_or("", |row| &row.engine),
        options.join(" ")
    );
    write_json(arguments.json.as_deref(), &rows)
}

fn table(rows: &[Parts]) -> String {
    let mut columns: Vec<String> = ["net", "draw s", "load s"].map(str::to_owned).into();
    let calibrations = rows.first().into_iter().flat_map(|row| &row.calibrate_and_encode_s);
    columns.extend(calibrations.map(|(images, _)| format!("calibrate on {} s", whole(*images as u64))));
    columns.extend(["encode s", "classifier s", "score s"].map(str::to_owned));
    let mut table = Table::new(&columns);
    for row in rows {
        let rest = row.draw_s + row.load_s + row.probe_s;
        let total = rest + row.calibrate_and_encode_s.first().map_or(row.encode_s, |(_, seconds)| *seconds);
        let part = |seconds: f64, total: f64| format!("{seconds:.3} ({:.1} %)", 100.0 * seconds / total);
        let mut cells = vec![format!("`{}`", row.net), part(row.draw_s, total), part(row.load_s, total)];
        let calibrations = row.calibrate_and_encode_s.iter();
        cells.extend(calibrations.map(|(_, seconds)| part(seconds - row.encode_s, rest + seconds)));
        cells.extend([part(row.encode_s, total), part(row.probe_s, total), format!("{total:.2}")]);
        table.row(&cells);
    }
    table.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_share_of_the_score() {
        let line = r#"{"net":"[SM(10)]","engine":"cpu avx2 f32 v1","features":784,"draw_s":0.25,"load_s":0.25,
            "encode_s":2.0,"calibrate_and_encode_s":[[1024,2.5],[4096,4.0]],"probe_s":1.0}"#;
        let text = table(&[serde_json::from_str(line).unwrap()]);
        let lines: Vec<&str> = text.lines().collect();
        let head = "| net | draw s | load s | calibrate on 1,024 s | calibrate on 4,096 s | encode s | classifier s | score s |";
        assert_eq!(lines[0], head);
        let row = "| `[SM(10)]` | 0.250 (6.2 %) | 0.250 (6.2 %) | 0.500 (12.5 %) | 2.000 (36.4 %) | 2.000 (50.0 %) | 1.000 (25.0 %) | 4.00 |";
        assert_eq!(lines[2], row);
    }
}
