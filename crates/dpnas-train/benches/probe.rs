//! Time of one epoch for small, middle and large embeddings, on one and two threads.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dpnas_seed::Seed;
use dpnas_train::{Labelled, ProbeConfig, fit};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

const ROWS: usize = 4096;
const CLASSES: u32 = 10;

fn probe(c: &mut Criterion) {
    let mut group = c.benchmark_group("probe");
    group.sample_size(10);
    for features in [512, 2304, 12800] {
        let mut rows = vec![0.0; ROWS * features];
        Seed(1).stream("rows", 0).fill_uniform(0, 0.0, 1.0, &mut rows);
        let labels: Vec<u32> = (0..ROWS as u32).map(|row| row * 7 % CLASSES).collect();
        let set = |n: usize| Labelled::new(&rows[..n * features], &labels[..n], features).expect("matching lengths");
        let (train, valid) = (set(ROWS), set(1));
        group.throughput(Throughput::Elements(ROWS as u64));
        for threads in [1, 2] {
            let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
            let config = ProbeConfig { epochs: 1, threads, ..ProbeConfig::paper(Seed(1)) };
            group.bench_with_input(BenchmarkId::new(format!("{features} features"), threads), &config, |b, config| {
                b.iter(|| fit(config, CLASSES, train, valid, None, &mut |_| ControlFlow::Continue(())));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, probe);
criterion_main!(benches);
