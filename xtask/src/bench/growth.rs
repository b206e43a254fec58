//! `cargo xtask bench growth`: how time and memory grow.

use super::host::Host;
use super::scored::{Job, Profile, score};
use super::table::{Table, mebibytes, whole};
use super::watch::watch;
use super::write_json;
use crate::process::Call;
use anyhow::bail;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Scores on device cpu with more and more images, features, layers and candidates.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Grow these alone [default: all]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT,…")]
    only: Vec<What>,
    /// Stop before sizes larger than this many of the smallest, to be done sooner
    #[arg(long, default_value_t = 64)]
    factor: u64,
    #[command(flatten)]
    profile: Profile,
    /// Write the points to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
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
    const ALL: [Self; 4] = [Self::Images, Self::Features, Self::Depth, Self::Candidates];

    fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Features => "features",
            Self::Depth => "depth",
            Self::Candidates => "candidates",
        }
    }

    fn sizes(self) -> &'static [u64] {
        match self {
            Self::Images => &[1024, 4096, 16384, 65536],
            Self::Features => &[784, 1568, 3136, 6272, 12544],
            Self::Depth => &[2, 4, 8, 16, 32],
            Self::Candidates => &[8, 16, 32, 64],
        }
    }

    /// Images and architecture of a score of that size.
    fn net(self, size: u64) -> (u64, String) {
        match self {
            Self::Images | Self::Candidates => (size, "[C(16,3,1,1,1), P(4,4,0,0), C(32,3,1,1,1), SM(10)]".to_owned()),
            Self::Features => (4096, format!("[C(16,3,1,1,1), P(4,4,0,0), C({},3,1,1,1), SM(10)]", size / 49)),
            Self::Depth => {
                let layers = "C(32,3,1,1,1), ".repeat(size as usize - 1);
                (2048, format!("[C(32,3,1,1,1), P(2,2,0,0), {layers}P(2,2,0,0), SM(10)]"))
            }
        }
    }

    /// What the table is of.
    fn title(self) -> String {
        let (images, net) = self.net(*self.sizes().first().unwrap_or(&2));
        match self {
            Self::Images => format!("Images, `{net}`"),
            Self::Features => {
                format!("Features, {} images, `C(N,3,1,1,1)` of N = features / 49 on 7×7 maps", whole(images))
            }
            Self::Depth => format!("Depth, {} images, `C(32,3,1,1,1)` on 14×14 maps", whole(images)),
            Self::Candidates => "Candidates of a random search on the digits inside, the whole program".to_owned(),
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
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let wanted = |what: &What| arguments.only.is_empty() || arguments.only.contains(what);
    let whats: Vec<What> = What::ALL.into_iter().filter(wanted).collect();
    let build = |kind, name| arguments.profile.build(root, kind, name);
    let scores = whats.iter().any(|what| *what != What::Candidates);
    let memory = scores.then(|| build("--example", "memory")).transpose()?;
    let search = whats.contains(&What::Candidates).then(|| build("--bin", "search")).transpose()?;
    let mut points = Vec::new();
    for &what in &whats {
        let first = what.sizes().first().copied().unwrap_or(1);
        for &size in what.sizes().iter().filter(|size| **size <= first.saturating_mul(arguments.factor)) {
            let point = match (what, &memory, &search) {
                (What::Candidates, _, Some(program)) => candidates(root, program, size)?,
                (_, Some(program), _) => {
                    let (images, net) = what.net(size);
                    let job = Job { images, side: 28, budget_mib: BUDGET, epochs: EPOCHS, net: &net };
                    let scored = score(root, program, &job)?;
                    Point { what, size, seconds: scored.seconds, peak_bytes: Some(scored.peak_bytes) }
                }
                _ => bail!("no program measures {}", what.name()),
            };
            points.push(point);
        }
        let series: Vec<Point> = points.iter().filter(|point| point.what == what).cloned().collect();
        println!("{}:\n\n{}", what.title(), table(what, &series));
    }
    println!(
        "{}, {}. Scores within {BUDGET} MiB, {EPOCHS} epochs; the slope is that of logarithms: 1 is linear.",
        Host::ask(root).line(),
        arguments.profile.name()
    );
    arguments.json.as_ref().map_or(Ok(()), |path| write_json(path, &points))
}

/// A random search of so many candidates, from start to end.
fn candidates(root: &Path, program: &Call, size: u64) -> anyhow::Result<Point> {
    let folder = tempfile::tempdir()?;
    let (schedule, runs) = (format!("1.0:{size}"), folder.path().to_string_lossy().into_owned());
    let call = program.clone().args(["--device", "cpu", "--schedule", &schedule, "--runs", &runs, "--json"]);
    eprintln!("$ {call}");
    let start = Instant::now();
    let ran = watch(&call, root)?;
    Ok(Point { what: What::Candidates, size, seconds: start.elapsed().as_secs_f64(), peak_bytes: ran.peak_bytes })
}

fn table(what: What, points: &[Point]) -> String {
    let mut table = Table::new(&[what.name(), "seconds", "peak MiB"]);
    for point in points {
        let memory = point.peak_bytes.map(mebibytes).unwrap_or_default();
        table.row(vec![whole(point.size), format!("{:.2}", point.seconds), memory]);
    }
    let seconds: Vec<(f64, f64)> = points.iter().map(|point| (point.size as f64, point.seconds)).collect();
    let memory = points.iter().map(|point| Some((point.size as f64, point.peak_bytes? as f64)));
    let memory: Option<Vec<(f64, f64)>> = memory.collect();
    let cell = |slope: Option<f64>| slope.map(|slope| format!("**{slope:.2}**")).unwrap_or_default();
    table.row(vec!["**slope**".to_owned(), cell(slope(&seconds)), cell(memory.as_deref().and_then(slope))]);
    table.text()
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
    fn the_slope_of_a_power_is_its_exponent() {
        let points: Vec<(f64, f64)> = [1.0, 2.0, 4.0, 64.0].map(|x: f64| (x, 3.0 * x.powf(0.5))).to_vec();
        assert!((slope(&points).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(slope(&points[..1]), None);
        assert_eq!(slope(&[]), None);
    }

    #[test]
    fn a_table_ends_with_the_slopes() {
        let point = |size, seconds, mib: Option<u64>| Point {
            what: What::Images,
            size,
            seconds,
            peak_bytes: mib.map(|mib| mib << 20),
        };
        let text = table(What::Images, &[point(1024, 0.5, Some(64)), point(4096, 2.0, Some(64))]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[2..],
            ["| 1,024 | 0.50 | 64 |", "| 4,096 | 2.00 | 64 |", "| **slope** | **1.00** | **0.00** |"]
        );
        assert!(table(What::Images, &[point(1024, 0.5, None)]).ends_with("| **slope** |  |  |\n"));
    }

    #[test]
    fn an_architecture_has_the_size_that_is_measured() {
        let (images, net) = What::Depth.net(4);
        assert_eq!((images, net.matches("C(").count()), (2048, 4));
        assert_eq!(What::Features.net(3136), (4096, "[C(16,3,1,1,1), P(4,4,0,0), C(64,3,1,1,1), SM(10)]".to_owned()));
        assert_eq!(What::Images.net(16384).0, 16384);
        assert!(What::ALL.iter().all(|what| what.sizes().is_sorted() && !what.title().is_empty()));
    }
}
