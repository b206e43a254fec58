//! Tests of statistics and heads.

mod bad_input;
mod golden;
mod oracles;
mod order;

use dpnas_heads::{FixedPoint, HeadError, LeaveOneOut, Statistics, leave_one_out};
use dpnas_seed::Seed;

/// Rows of three classes around different means, ReLU applied.
fn rows(seed: u64, count: usize, features: usize) -> (Vec<f32>, Vec<u32>) {
    let mut values = vec![0.0; count * features];
    Seed(seed).stream("rows", 0).fill_normal(0, &mut values);
    let labels: Vec<u32> = (0..count as u32).map(|row| (row * row + row / 3) % 3 * 5).collect();
    for (row, &label) in values.chunks_exact_mut(features).zip(&labels) {
        for (feature, value) in row.iter_mut().enumerate() {
            let mean = if feature as u32 % 3 * 5 == label { 0.8 } else { 0.0 };
            *value = (*value + mean).max(0.0);
        }
    }
    (values, labels)
}

fn exact(values: &[f32], features: usize) -> Statistics {
    Statistics::exact(FixedPoint::of_rows(values, features).unwrap())
}

/// Both arithmetics without rows.
fn empty(features: usize) -> [Statistics; 2] {
    [Statistics::exact(FixedPoint::uniform(features, 8.0).unwrap()), Statistics::float(features).unwrap()]
}

/// Leave-one-out over rows in memory.
fn of_all(values: &[f32], features: usize, labels: &[u32]) -> Result<LeaveOneOut, HeadError> {
    leave_one_out(features, labels, |rows, out| {
        out.copy_from_slice(&values[rows.start * features..rows.end * features]);
        Ok(())
    })
}
