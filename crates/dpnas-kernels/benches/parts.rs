//! Parts of an encoder, each on a plan that consists mostly of it, at the fastest level in both precisions.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dpnas_grammar::{ImageShape, Net, Plan};
use dpnas_kernels::{CpuEngine, Precision};
use dpnas_prior::{Encode, EncodeExt, Engine, Images, Measure, Prior, WeightInit};
use dpnas_seed::Seed;
use std::hint::black_box;
use std::num::NonZeroUsize;

/// Images of a call: a group for each of a few threads.
const IMAGES: usize = 64;

const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

fn plan(net: &str, channels: u32, size: u32) -> Plan {
    net.parse::<Net>().expect("a net").plan(ImageShape::square(channels, size)).expect("it fits the images")
}

fn prior(plan: &Plan) -> Prior {
    Prior::draw(plan, WeightInit::KaimingNormal, Seed(1)).expect("a small plan")
}

fn engine(precision: Precision) -> CpuEngine {
    CpuEngine::new(precision).expect("DPNAS_CPU_LEVEL names a level of this processor, or is not set")
}

fn pixels(plan: &Plan) -> Vec<f32> {
    let mut pixels = vec![0.0; IMAGES * plan.input().elements().unwrap_or(0) as usize];
    Seed(1).stream("images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    pixels
}

/// Whole encoders, which spend little time outside of the part that they are named for.
fn encode(criterion: &mut Criterion) {
    let parts = [
        ("direct 7x7", plan("[C(64,7,1,3,1), SM(10)]", 64, 14)),
        ("direct 1x1 in blocks", plan("[C(512,1,1,0,1), SM(10)]", 1024, 7)),
        ("winograd 3x3", plan("[C(64,1,1,0,1), C(256,3,1,1,1), C(64,3,1,1,1), SM(10)]", 16, 14)),
        ("winograd 5x5", plan("[C(64,1,1,0,1), C(64,5,1,2,1), SM(10)]", 16, 14)),
        ("winograd 7x7 in parts", plan("[C(64,1,1,0,1), C(64,7,1,3,1), SM(10)]", 16, 14)),
        ("residual block", plan("[C(64,1,1,0,1), C(64,3,1,1,0), SM(10)]", 16, 14)),
        ("pooling with overlap", plan("[P(3,2,0,0), SM(10)]", 64, 29)),
    ];
    let mut group = criterion.benchmark_group("encode");
    group.sample_size(10).throughput(Throughput::Elements(IMAGES as u64));
    for (name, plan) in &parts {
        let pixels = pixels(plan);
        let images = Images::new(plan.input(), &pixels).expect("whole images");
        for precision in PRECISIONS {
            let encoder: Box<dyn Encode> = engine(precision).load(&prior(plan)).expect("no device to fail");
            group.bench_function(BenchmarkId::new(*name, precision), |bencher| {
                bencher.iter(|| black_box(encoder.embed(images).expect("images of the plan")));
            });
        }
    }
    group.finish();
}

/// Weights: drawn, and packed for direct and Winograd convolution.
fn load(criterion: &mut Criterion) {
    let parts = [
        ("direct", plan("[C(512,3,2,1,1), SM(10)]", 256, 9)),
        ("winograd", plan("[C(256,1,1,0,1), C(512,3,1,1,1), SM(10)]", 16, 8)),
    ];
    let mut group = criterion.benchmark_group("weights");
    group.sample_size(10);
    for (name, plan) in &parts {
        group.throughput(Throughput::Elements(plan.parameters()));
        group.bench_function(BenchmarkId::new("draw", name), |bencher| bencher.iter(|| black_box(prior(plan))));
        let prior = prior(plan);
        for precision in PRECISIONS {
            let engine = engine(precision);
            group.bench_function(BenchmarkId::new(format!("load {name}"), precision), |bencher| {
                bencher.iter(|| black_box(engine.load(&prior).expect("no device to fail")));
            });
        }
    }
    group.finish();
}

fn calibrate(criterion: &mut Criterion) {
    let net = "[C(32,3,1,1,1), P(2,2,0,0), C(32,3,1,1,0), C(64,1,1,0,1), SM(10)]";
    let plan = plan(net, 1, 28);
    let pixels = pixels(&plan);
    let images = Images::new(plan.input(), &pixels).expect("whole images");
    let chunk = NonZeroUsize::new(IMAGES).unwrap_or(NonZeroUsize::MIN);
    let mut group = criterion.benchmark_group("calibrate");
    group.sample_size(10).throughput(Throughput::Elements(IMAGES as u64));
    for precision in PRECISIONS {
        let mut encoder = engine(precision).load(&prior(&plan)).expect("no device to fail");
        group.bench_function(precision.to_string(), |bencher| {
            bencher.iter(|| {
                black_box(encoder.calibrate(&mut Measure::new(images, 1e-4, chunk)).expect("images of the plan"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encode, load, calibrate);
criterion_main!(benches);
