//! `cargo xtask bench memory`: what scoring takes within a memory budget.

use super::host::Host;
use super::scored::{Job, Profile, Scored, score};
use super::table::{Table, mebibytes};
use super::write_json;
use std::path::{Path, PathBuf};

/// Peak resident memory of scoring architectures of three kinds.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
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
    profile: Profile,
    /// Write the rows to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A small embedding, large maps, and an embedding that does not fit the default budget.
const NETS: [(&str, &str); 3] = [
    ("small", "[C(32,5,1,2,1), P(4,4,0,0), C(64,3,1,0,1), SM(10)]"),
    ("large maps", "[C(16,3,1,1,1), C(1024,1,1,0,1), C(32,1,1,0,1), P(4,4,0,0), SM(10)]"),
    ("many features", "[C(16,3,1,1,1), P(4,4,0,0), C(408,3,1,1,1), SM(10)]"),
];

/// Scores each in a process of its own and prints the table.
///
/// # Errors
/// If the program does not build or fails.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let program = arguments.profile.build(root, "--example", "memory")?;
    let Arguments { images, budget: budget_mib, epochs, .. } = *arguments;
    let score = |(_, net)| score(root, &program, &Job { images, side: 28, budget_mib, epochs, net });
    let scored = NETS.into_iter().map(score).collect::<anyhow::Result<Vec<Scored>>>()?;
    println!("{}", table(&scored));
    println!("{}, {}.", Host::ask(root).line(), arguments.profile.name());
    arguments.json.as_ref().map_or(Ok(()), |path| write_json(path, &scored))
}

fn table(scored: &[Scored]) -> String {
    let columns = ["net", "embedding MiB", "rows in", "images at once", "loaded MiB", "peak MiB"];
    let mut table = Table::new(&[&columns[..], &["(peak − loaded) / budget", "peak / budget", "score s"]].concat());
    for (row, (name, _)) in scored.iter().zip(NETS) {
        let ratio = |bytes: u64| format!("{:.2}", bytes as f64 / row.budget_bytes as f64);
        table.row(vec![
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
    table.text()
}

#[cfg(test)]
mod tests {
    use super::super::scored::tests::LINE;
    use super::*;

    #[test]
    fn the_table_has_the_peak_beside_the_budget() {
        let scored: Scored = serde_json::from_str(LINE).unwrap();
        let text = table(&[scored]);
        let row = "| small: `[C(16,3,1,1,1), SM(10)]` | 67 | memory | 215 | 64 | 128 | 0.25 | 0.50 | 1.5 |";
        assert_eq!(text.lines().nth(2), Some(row));
    }
}
