//! Uniform walks through the presets: how many nets are accepted, and what they cost.

use crate::strategies::preset;
use dpnas_search::{Seed, Space};

/// Accepted nets among uniform walks.
struct Simulation {
    feasible: f64,
    /// Multiply-adds an image, ascending.
    multiply_adds: Vec<u64>,
    /// Features, ascending.
    features: Vec<u64>,
}

impl Simulation {
    fn of(space: &Space) -> Self {
        const WALKS: u64 = 4_000;
        let (mut multiply_adds, mut features) = (Vec::new(), Vec::new());
        for index in 0..WALKS {
            let walk = space.uniform_walk(&mut Seed(1).stream("walk", index).rng());
            let plan = space.net(&walk).unwrap().plan(space.input()).unwrap();
            if plan.verdict(&space.limits()) == dpnas_grammar::Verdict::Accepted {
                multiply_adds.push(plan.multiply_adds());
                features.push(plan.features());
            }
        }
        multiply_adds.sort_unstable();
        features.sort_unstable();
        Self { feasible: features.len() as f64 / WALKS as f64, multiply_adds, features }
    }

    /// Billions of floating-point operations an image, two for each multiply-add.
    fn gflop(&self, percent: usize) -> f64 {
        2e-9 * percentile(&self.multiply_adds, percent) as f64
    }

    /// Millions of multiply-adds an image.
    fn mean_millions(&self) -> f64 {
        1e-6 * self.multiply_adds.iter().sum::<u64>() as f64 / self.multiply_adds.len() as f64
    }
}

fn percentile(ascending: &[u64], percent: usize) -> u64 {
    ascending[ascending.len() * percent / 100]
}

fn assert_near(what: &str, value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value - expected).abs() <= tolerance * expected,
        "{what}: {value} is not within {tolerance} of {expected}"
    );
}

/// The published figures are of 20,000 walks and the tolerances leave room for the error of 4,000. They also leave room
/// for kernel 1: listed twice, as the published code does, 83 % of the walks are feasible and the 90th percentile of
/// features is 8,192; listed once it is 85 %, and 6,272 in 20,000 walks.
#[test]
fn the_reference_code_has_the_published_costs() {
    let simulation = Simulation::of(&preset("reference-code", 28));
    assert_near("feasible", simulation.feasible, 0.83, 0.05);
    assert_near("10th percentile of GFLOP", simulation.gflop(10), 0.47, 0.15);
    assert_near("median of GFLOP", simulation.gflop(50), 5.7, 0.1);
    assert_near("90th percentile of GFLOP", simulation.gflop(90), 37.7, 0.15);
    assert_near("mean GFLOP", 2e-3 * simulation.mean_millions(), 14.7, 0.1);
    assert_eq!(percentile(&simulation.features, 10), 128);
    assert_eq!(percentile(&simulation.features, 50), 1024);
    let features = percentile(&simulation.features, 90);
    assert!((4096..=8192).contains(&features), "90th percentile of features: {features}");
}

#[test]
fn strides_make_the_space_of_the_paper_ten_times_cheaper() {
    let simulation = Simulation::of(&preset("paper", 28));
    assert_near("feasible", simulation.feasible, 0.97, 0.02);
    assert_near("median of GFLOP", simulation.gflop(50), 0.50, 0.15);
}

#[test]
fn the_small_space_is_cheap_on_images_of_28_pixels() {
    let simulation = Simulation::of(&preset("small", 28));
    assert_near("feasible", simulation.feasible, 0.73, 0.05);
    assert!(percentile(&simulation.multiply_adds, 50) < 12_000_000);
    assert!(simulation.mean_millions() < 30.0);
    assert!(percentile(&simulation.features, 50) >= 512);
}

#[test]
fn the_small_space_is_cheap_on_digits() {
    let simulation = Simulation::of(&preset("small", 8));
    assert!(simulation.feasible > 0.99);
    assert!(percentile(&simulation.multiply_adds, 50) < 1_000_000);
    assert!(simulation.mean_millions() < 3.0);
    assert!(percentile(&simulation.features, 50) >= 256);
}
