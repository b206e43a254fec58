//! Prints the seconds that fits take, one line a feature count, to be run in turns with a peer.
//!
//! `probe_bench ROWS CLASSES EPOCHS THREADS REPEATS FEATURES… [rows=bf16]`

use dpnas_seed::Seed;
use dpnas_train::{Element, Labelled, ProbeConfig, fit};
use half::bf16;
use half::slice::HalfFloatSliceExt;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Instant;

const USAGE: &str = "usage: probe_bench ROWS CLASSES EPOCHS THREADS REPEATS FEATURES… [rows=f32|bf16]";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = arguments.iter().filter_map(|text| text.parse().ok()).collect();
    let element = arguments.iter().find_map(|text| text.strip_prefix("rows=")).unwrap_or("f32");
    let ([rows, classes, epochs, threads, repeats, features @ ..], "f32" | "bf16") = (&numbers[..], element) else {
        eprintln!("{USAGE}");
        std::process::exit(2);
    };
    for &features in features {
        let mut values = vec![0.0; rows * features];
        Seed(1).stream("rows", 0).fill_uniform(0, 0.0, 1.0, &mut values);
        let case = Case { rows: *rows, classes: *classes, epochs: *epochs, threads: *threads, repeats: *repeats };
        let line = match element {
            "bf16" => {
                let mut half = vec![bf16::ZERO; values.len()];
                half.convert_from_f32_slice(&values);
                drop(values);
                case.line(&half, features)
            }
            _ => case.line(&values, features),
        };
        match line {
            Some(line) => println!("{line}"),
            None => {
                eprintln!("rows and features must be at least 1\n{USAGE}");
                std::process::exit(2);
            }
        }
    }
}

struct Case {
    rows: usize,
    classes: usize,
    epochs: usize,
    threads: usize,
    repeats: usize,
}

impl Case {
    /// The times of fits on these rows, as a JSON object.
    #[expect(clippy::disallowed_methods, reason = "clock: it measures")]
    fn line<E: Element>(&self, values: &[E], features: usize) -> Option<String> {
        let labels: Vec<u32> = (0..self.rows).map(|row| (row * 7 % self.classes.max(1)) as u32).collect();
        let train = Labelled::new(values, &labels, features).ok()?;
        // The peer validates nothing.
        let valid = Labelled::new(values.get(..features)?, labels.get(..1)?, features).ok()?;
        let config = ProbeConfig {
            epochs: self.epochs as u32,
            early_stopping_threshold: 0.0,
            threads: NonZeroUsize::new(self.threads).unwrap_or(NonZeroUsize::MIN),
            ..ProbeConfig::paper(Seed(1))
        };
        let (mut seconds, mut loss) = (Vec::new(), 0.0);
        for _ in 0..self.repeats.max(1) {
            let (start, classes) = (Instant::now(), self.classes as u32);
            let fitted = fit(&config, classes, features, train, valid, None, &mut |_| ControlFlow::Continue(()));
            seconds.push(start.elapsed().as_secs_f64());
            loss = fitted.map_or(f64::NAN, |fitted| fitted.report.epochs.last().map_or(f64::NAN, |e| e.train_loss));
        }
        seconds.sort_by(f64::total_cmp);
        let (median, fastest) = (seconds[seconds.len() / 2], seconds[0]);
        Some(format!(
            "{{\"features\": {features}, \"probe_s\": {median:.6}, \"fastest_s\": {fastest:.6}, \"loss\": {loss:.6}}}"
        ))
    }
}
