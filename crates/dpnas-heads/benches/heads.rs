//! Seconds of the sums and of solving for a ridge, in turns with numpy where `DPNAS_PYTHON` names a Python that has it.
//!
//! ```sh
//! DPNAS_PYTHON=python3 cargo bench -p dpnas-heads --bench heads -- 60000 512 1024 2048
//! ```
//! The first number is the rows, the others are features. Without numbers it runs a small size, as a smoke test. After the
//! sums come seconds of leave-one-out on as many rows as features, with twice the features.

use dpnas_heads::{FixedPoint, HeadError, Lambda, Statistics, leave_one_out, ridge};
use dpnas_seed::Seed;
use std::process::Command;
use std::time::Instant;

/// Turns of each side; the fastest counts.
const TURNS: usize = 3;
/// Rows that are added at once, as an encoder gives them.
const CHUNK: usize = 4096;

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (rows, features) = numbers.split_first().map_or((2_000, &[96][..]), |(&rows, features)| (rows, features));
    let python = std::env::var("DPNAS_PYTHON").ok();
    println!(
        "rows features | exact sums s, ridge s | f64 sums s, ridge s | numpy sums s, ridge s | ratio of exact sums"
    );
    for &features in features {
        let mut values = vec![0.0; rows * features];
        Seed(0).stream("rows", 0).fill_normal(0, &mut values);
        values.iter_mut().for_each(|value| *value = value.max(0.0));
        let labels: Vec<u32> = (0..rows as u32).map(|row| row % 10).collect();
        let grid = FixedPoint::of_rows(&values[..features * rows.min(1024)], features).expect("there are rows");
        let mut best = [[f64::INFINITY; 3]; 3];
        let mut keep = |place: usize, seconds: &[f64]| {
            best[place].iter_mut().zip(seconds).for_each(|(best, seconds)| *best = best.min(*seconds));
        };
        for _ in 0..TURNS {
            keep(0, &ours(Statistics::exact(grid.clone()), &values, &labels));
            keep(1, &ours(Statistics::float(features).expect("there are features"), &values, &labels));
            if let Some(seconds) = python.as_deref().and_then(|python| peer(python, rows, features)) {
                keep(2, &seconds);
            }
        }
        let [exact, float, numpy] = best.map(|[sums, ridge, _]| format!("{sums:.3} {ridge:.3}"));
        println!("{rows} {features} | {exact} | {float} | {numpy} | {:.2}", best[2][0] / best[0][0]);
        let (ours, numpy) = (best[0][2], best[2][2]);
        println!("leave-one-out, {features} rows | {ours:.3} | {numpy:.3} | {:.2}", numpy / ours);
    }
}

#[expect(clippy::disallowed_methods, reason = "clock: a benchmark")]
fn ours(mut statistics: Statistics, values: &[f32], labels: &[u32]) -> [f64; 3] {
    let start = Instant::now();
    let chunk = CHUNK * statistics.features();
    for (values, labels) in values.chunks(chunk).zip(labels.chunks(CHUNK)) {
        statistics.add(values, labels).expect("the rows are finite");
    }
    let sums = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let solution = ridge(&statistics, Lambda::Fixed(1.0)).expect("there is a solution");
    assert!(solution.residual < 1e-9, "the ridge is solved");
    let solved = start.elapsed().as_secs_f64();
    let features = statistics.features();
    let count = features.min(labels.len() / 2);
    let start = Instant::now();
    let fitted = leave_one_out::<HeadError>(2 * features, &labels[..count], |rows, out| {
        out.copy_from_slice(&values[2 * features * rows.start..2 * features * rows.end]);
        Ok(())
    });
    assert!(fitted.expect("the rows are finite").accuracy <= 1.0);
    [sums, solved, start.elapsed().as_secs_f64()]
}

fn peer(python: &str, rows: usize, features: usize) -> Option<[f64; 3]> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/numpy_peer.py");
    let output = Command::new(python).args([script, &rows.to_string(), &features.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let seconds: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    seconds.try_into().ok()
}
