//! `cargo xtask bench memory` and `growth`: time and memory of scores within a budget.

use super::host::Host;
use super::programs::{build, run};
use super::table::{Table, mebibytes, whole};
use super::write_json;
use crate::process::Call;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Peak resident memory of scoring architectures of three kinds.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MemoryArguments {
    /// Training images, synthetic, of 28x28; a tenth as many test images are added
    #[arg(long, default_value_t = 10_000)]
    images: u64,
    /// The memory budget, in MiB
    #[arg(long, default_value_t = 256, value_name = "MIB")]
    budget: u64,
    /// Epochs of the classifier
    #[arg(long, default_value_t = 5)]
    epochs: u64,
    #[command(flatten)]
    output: Output,
}

/// Scores on device cpu with more and more images, features, layers and candidates.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GrowthArguments {
    /// Grow these alone [default: all]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT,…")]
    only: Vec<What>,
    /// Stop before sizes larger than this many of the smallest, to be done sooner
    #[arg(long, default_value_t = 64)]
    factor: u64,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Debug, clap::Args)]
struct Output {
    /// Build with --release, burn too, which takes minutes [default: as for tests]
    #[arg(long)]
    release: bool,
    /// Write the rows to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Output {
    fn build(&self, root: &Path, kind: &str, name: &str) -> anyhow::Result<Call> {
        let profile = if self.release { "release" } else { "dev" };
        build(root, &["--workspace", kind, name, "--profile", profile], name)
    }
}

/// What `crates/dpnas/examples/memory.rs` prints.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Scored {
    net: String,
    embedding_bytes: u64,
    /// `memory` or `file`.
    rows: String,
    chunk: u64,
    budget_bytes: u64,
    loaded_bytes: u64,
    peak_bytes: u64,
    seconds: f64,
}

/// Scores an architecture in a process of its own.
fn score(root: &Path, program: &Call, images: u64, budget: u64, epochs: u64, net: &str) -> anyhow::Result<Scored> {
    let numbers = [images, 28, budget, epochs].map(|number| number.to_string());
    let call = program.clone().args(numbers.iter().map(String::as_str)).arg(net);
    eprintln!("$ {call}");
    Ok(run(&call, root)?.0)
}

/// A small embedding, large maps, and an embedding that does not fit the default budget.
const NETS: [(&str, &str); 3] = [
    ("small", "[C(32,5,1,2,1), P(4,4,0,0), C(64,3,1,0,1), SM(10)]"),
    ("large maps", "[C(16,3,1,1,1), C(1024,1,1,0,1), C(32,1,1,0,1), P(4,4,0,0), SM(10)]"),
    ("many features", "[C(16,3,1,1,1), P(4,4,0,0), C(408,3,1,1,1), SM(10)]"),
];

/// Scores each net and prints the table.
///
/// # Errors
/// If the program does not build or fails.
pub(crate) fn memory(root: &Path, arguments: &MemoryArguments) -> anyhow::Result<()> {
    let MemoryArguments { images, budget, epochs, output } = arguments;
    let program = output.build(root, "--example", "memory")?;
    let score = |(_, net)| score(root, &program, *images, *budget, *epochs, net);
    let scored = NETS.into_iter().map(score).collect::<anyhow::Result<Vec<Scored>>>()?;
    println!("{}", memory_table(&scored));
    println!("{}.", Host::ask(root).line());
    write_json(output.json.as_deref(), &scored)
}

fn memory_table(scored: &[Scored]) -> String {
    let columns = ["net", "embedding MiB", "rows in", "images at once", "loaded MiB", "peak MiB"];
    let mut table = Table::new(&[&columns[..], &["(peak − loaded) / budget", "peak / budget", "score s"]].concat());
    for (row, (name, _)) in scored.iter().zip(NETS) {
        let ratio = |bytes: u64| format!("{:.2}", bytes as f64 / row.budget_bytes as f64);
        table.row(&[
            format!("{name}: `{}`", row.net),
            mebibytes(row.embedding_bytes),
            row.rows.clone(),
            row.chunk.to_string(),
            mebibytes(row.loaded_bytes),
            mebibytes(row.peak_bytes),
            ratio(row.peak_bytes.saturating_sub(row.loaded_bytes)),
            ratio(row.peak_bytes),
            format!("{:.1}", row.seconds),
        ]);
    }
    table.text
}

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum What {
    /// Training images of one architecture
    Images,
    /// Features of the last convolution, with 4,096 images
    Features,
    /// Convolutions one after the other, with 2,048 images
    Depth,
    /// Candidates of a random search on the digits inside
    Candidates,
}

/// The memory budget of a score, in MiB, and the epochs of its classifier.
const BUDGET: u64 = 256;
const EPOCHS: u64 = 5;

impl What {
    /// The title of the table, and the sizes.
    fn series(self) -> (&'static str, &'static [u64]) {
        match self {
            Self::Images => {
                ("Images, `[C(16,3,1,1,1), P(4,4,0,0), C(32,3,1,1,1), SM(10)]`", &[1024, 4096, 16384, 65536])
            }
            Self::Features => (
                "Features, 4,096 images, `C(N,3,1,1,1)` of N = features / 49 on 7×7 maps",
                &[784, 1568, 3136, 6272, 12544],
            ),
            Self::Depth => ("Depth, 2,048 images, `C(32,3,1,1,1)` on 14×14 maps", &[2, 4, 8, 16, 32]),
            Self::Candidates => {
                ("Candidates of a random search on the digits inside, the whole program", &[8, 16, 32, 64])
            }
        }
    }

    /// Images and architecture of a score of that size; `None` for a search.
    fn net(self, size: u64) -> Option<(u64, String)> {
        match self {
            Self::Images => Some((size, "[C(16,3,1,1,1), P(4,4,0,0), C(32,3,1,1,1), SM(10)]".to_owned())),
            Self::Features => Some((4096, format!("[C(16,3,1,1,1), P(4,4,0,0), C({},3,1,1,1), SM(10)]", size / 49))),
            Self::Depth => {
                let layers = "C(32,3,1,1,1), ".repeat(size as usize - 1);
                Some((2048, format!("[C(32,3,1,1,1), P(2,2,0,0), {layers}P(2,2,0,0), SM(10)]")))
            }
            Self::Candidates => None,
        }
    }
}

/// One size of one series.
#[derive(Clone, Debug, Serialize)]
struct Point {
    what: What,
    size: u64,
    seconds: f64,
    peak_bytes: Option<u64>,
}

/// Measures every series and prints a table with its slopes for each.
///
/// # Errors
/// If a program does not build or fails.
pub(crate) fn growth(root: &Path, arguments: &GrowthArguments) -> anyhow::Result<()> {
    let GrowthArguments { only, factor, output } = arguments;
    let program = output.build(root, "--example", "memory")?;
    let search = output.build(root, "--bin", "search")?;
    let mut points = Vec::new();
    for what in [What::Images, What::Features, What::Depth, What::Candidates] {
        let (title, sizes) = what.series();
        if !only.is_empty() && !only.contains(&what) {
            continue;
        }
        let first = points.len();
        for &size in sizes.iter().filter(|size| **size <= factor.saturating_mul(sizes[0])) {
            let (seconds, peak_bytes) = match what.net(size) {
                Some((images, net)) => {
                    let scored = score(root, &program, images, BUDGET, EPOCHS, &net)?;
                    (scored.seconds, Some(scored.peak_bytes))
                }
                None => candidates(root, &search, size)?,
            };
            points.push(Point { what, size, seconds, peak_bytes });
        }
        println!("{title}:\n\n{}", growth_table(&format!("{what:?}").to_lowercase(), &points[first..]));
    }
    println!(
        "{}. Scores within {BUDGET} MiB, {EPOCHS} epochs; the slope is that of logarithms: 1 is linear.",
        Host::ask(root).line()
    );
    write_json(output.json.as_deref(), &points)
}

/// Seconds and peak memory of a random search of so many candidates.
fn candidates(root: &Path, search: &Call, size: u64) -> anyhow::Result<(f64, Option<u64>)> {
    let folder = tempfile::tempdir()?;
    let (schedule, runs) = (format!("1.0:{size}"), folder.path().to_string_lossy().into_owned());
    let call = search.clone().args(["--device", "cpu", "--schedule", &schedule, "--runs", &runs, "--json"]);
    eprintln!("$ {call}");
    let start = Instant::now();
    let (_, peak_bytes) = run::<Value>(&call, root)?;
    Ok((start.elapsed().as_secs_f64(), peak_bytes))
}

fn growth_table(name: &str, points: &[Point]) -> String {
    let mut table = Table::new(&[name, "seconds", "peak MiB"]);
    for point in points {
        let memory = point.peak_bytes.map(mebibytes).unwrap_or_default();
        table.row(&[whole(point.size), format!("{:.2}", point.seconds), memory]);
    }
    let slope_of = |value: fn(&Point) -> Option<f64>| {
        let pairs: Option<Vec<_>> = points.iter().map(|point| Some((point.size as f64, value(point)?))).collect();
        pairs.and_then(|pairs| slope(&pairs)).map(|slope| format!("**{slope:.2}**")).unwrap_or_default()
    };
    let (seconds, bytes) = (slope_of(|point| Some(point.seconds)), slope_of(|point| Some(point.peak_bytes? as f64)));
    table.row(&["**slope**".to_owned(), seconds, bytes]);
    table.text
}

/// The slope of the line through logarithms, by least squares; `None` for fewer than two sizes.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let logarithms: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logarithms.len() as f64;
    let (x, y) = logarithms.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let spread: f64 = logarithms.iter().map(|point| (point.0 - x).powi(2)).sum();
    let common: f64 = logarithms.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (spread > 0.0).then(|| common / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_table_has_the_peak_beside_the_budget() {
        let line = r#"{"net":"[SM(10)]","images":11000,"features":1600,"embedding_bytes":70400000,"rows":"memory","chunk":215,"budget_bytes":268435456,"program_bytes":4194304,"loaded_bytes":67108864,"peak_bytes":134217728,"seconds":1.5,"reward":0.5}"#;
        let text = memory_table(&[serde_json::from_str(line).unwrap()]);
        let row = "| small: `[SM(10)]` | 67 | memory | 215 | 64 | 128 | 0.25 | 0.50 | 1.5 |";
        assert_eq!(text.lines().nth(2), Some(row));
    }

    #[test]
    fn the_slope_of_a_power_is_its_exponent() {
        let points: Vec<(f64, f64)> = [1.0, 2.0, 4.0, 64.0].map(|x: f64| (x, 3.0 * x.powf(0.5))).to_vec();
        assert!((slope(&points).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(slope(&points[..1]), None);
    }

    #[test]
    fn a_growth_table_ends_with_the_slopes() {
        let point = |size, seconds, peak_bytes| Point { what: What::Images, size, seconds, peak_bytes };
        let text = growth_table("images", &[point(1024, 0.5, Some(64 << 20)), point(4096, 2.0, Some(64 << 20))]);
        let rows = ["| 1,024 | 0.50 | 64 |", "| 4,096 | 2.00 | 64 |", "| **slope** | **1.00** | **0.00** |"];
        assert_eq!(text.lines().skip(2).collect::<Vec<_>>(), rows);
        assert!(growth_table("images", &[point(1024, 0.5, None)]).ends_with("| **slope** |  |  |\n"));
    }

    #[test]
    fn an_architecture_has_the_size_that_is_measured() {
        let (images, net) = What::Depth.net(4).unwrap();
        assert_eq!((images, net.matches("C(").count()), (2048, 4));
        assert!(What::Features.net(3136).unwrap().1.contains("C(64,3,1,1,1)"));
    }
}
