//! Prints the seconds that fits take, one line a feature count, to be run in turns with a peer.
//!
//! `probe_bench ROWS CLASSES EPOCHS THREADS REPEATS FEATURES…`

use dpnas_seed::Seed;
use dpnas_train::{Labelled, ProbeConfig, fit};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Instant;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]
#[expect(clippy::disallowed_methods, reason = "clock: it measures")]
fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [rows, classes, epochs, threads, repeats, ref features @ ..] = numbers[..] else {
        eprintln!("usage: probe_bench ROWS CLASSES EPOCHS THREADS REPEATS FEATURES…");
        std::process::exit(2);
    };
    for &features in features {
        let mut values = vec![0.0; rows * features];
        Seed(1).stream("rows", 0).fill_uniform(0, 0.0, 1.0, &mut values);
        let labels: Vec<u32> = (0..rows).map(|row| (row * 7 % classes) as u32).collect();
        let (Ok(train), Ok(valid)) = (
            Labelled::new(&values, &labels, features),
            Labelled::new(&values[..features], &labels[..1], features), // the peer validates nothing
        ) else {
            eprintln!("rows and features must be at least 1");
            std::process::exit(2);
        };
        let config = ProbeConfig {
            epochs: epochs as u32,
            early_stopping_threshold: 0.0,
            threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
            ..ProbeConfig::paper(Seed(1))
        };
        let mut seconds = Vec::new();
        let mut loss = 0.0;
        for _ in 0..repeats.max(1) {
            let start = Instant::now();
            let fitted = fit(&config, classes as u32, features, train, valid, None, &mut |_| ControlFlow::Continue(()));
            seconds.push(start.elapsed().as_secs_f64());
            loss = fitted.map_or(f64::NAN, |fitted| fitted.report.epochs.last().map_or(f64::NAN, |e| e.train_loss));
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        println!(
            "{{\"features\": {features}, \"probe_s\": {median:.6}, \"fastest_s\": {:.6}, \"loss\": {loss:.6}}}",
            seconds[0]
        );
    }
}
