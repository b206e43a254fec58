//! Bytes a second of writing a matrix and of reading it back, checks included.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dpnas_cache::{Cache, Key};
use std::hint::black_box;

const COLUMNS: usize = 1024;
const CHUNK_ROWS: usize = 512;
const ROWS: usize = 32 * 1024; // 128 MiB

fn throughput(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cache = Cache::open(folder.path(), 1 << 30).expect("the cache opens");
    let key = Key::new().with("net", "[C(1024,1,1,0,1), SM(10)]").with("seed", 7);
    let chunk: Vec<f32> = (0..CHUNK_ROWS * COLUMNS).map(|i| i as f32).collect();
    let write = || {
        let mut writer = cache.create(&key, COLUMNS).expect("the entry is created");
        for _ in 0..ROWS / CHUNK_ROWS {
            writer.push(&chunk).expect("the rows are written");
        }
        writer.finish().expect("the entry is published")
    };

    let mut group = criterion.benchmark_group("128 MiB");
    group.throughput(Throughput::Bytes((ROWS * COLUMNS * 4) as u64)).sample_size(10);
    group.bench_function("push and finish", |bencher| bencher.iter(write));
    group.bench_function("get, in the page cache", |bencher| {
        bencher.iter(|| black_box(cache.get(&key).expect("the entry is read").expect("a hit")));
    });
    group.finish();
}

criterion_group!(benches, throughput);
criterion_main!(benches);
