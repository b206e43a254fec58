//! Checks a GPU beside the CPU, and times it. Prints one JSON object a line. `cargo xtask gpu` packs and calls it.
#![expect(clippy::disallowed_methods, reason = "clock: it measures")]

use dpnas_cuda::{CudaEngine, CudaImages, CudaRows, FitSplits, plan_convolutions};
use dpnas_grammar::{ImageShape, Net};
use dpnas_kernels::{CpuEngine, Precision};
use dpnas_prior::{Calibration, Encode, EncodeExt, Engine, Images, Measure, Prior, WeightInit};
use dpnas_seed::Seed;
use dpnas_train::{Labelled, ProbeConfig, fit};
use serde_json::json;
use std::error::Error;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Instant;

const NETS: [&str; 11] = [
    "[C(32,3,1,1,1), SM(10)]",
    "[C(32,5,1,2,1), P(4,4,0,0), C(32,3,1,1,0), SM(10)]",
    "[C(32,3,1,1,0), SM(10)]",
    "[C(64,3,1,1,1), C(64,3,1,1,0), C(64,3,1,1,0), SM(10)]",
    "[C(128,11,2,0,1), C(64,1,1,0,1), SM(10)]",
    "[C(64,7,1,0,1), P(2,2,0,0), C(128,3,1,1,0), P(2,2,0,0), SM(10)]",
    "[C(32,9,1,0,1), C(256,3,1,1,1), P(2,2,0,0), C(256,3,1,0,1), SM(10)]",
    "[C(512,1,1,0,1), P(4,4,0,0), C(512,3,1,1,0), SM(10)]",
    "[C(128,5,1,2,1), P(2,2,0,0), C(256,5,1,2,1), P(2,2,0,0), C(512,3,1,1,1), SM(10)]",
    "[P(2,2,0,0), C(64,3,1,1,1), C(32,1,1,0,1), SM(10)]",
    "[C(128,3,1,1,1), C(1024,11,1,0,1), C(64,9,2,0,1), SM(10)]",
];

/// Convolutions with large kernels, which decide the cost of the largest spaces.
const SURVEY: [&str; 5] = [
    "[C(1024,1,1,0,1), C(128,11,1,0,1), C(128,3,1,1,0), C(512,7,1,0,1), P(4,4,0,0), SM(10)]",
    "[C(128,3,1,1,1), C(1024,11,1,0,1), C(1024,9,1,0,1), C(512,7,1,0,1), SM(10)]",
    "[P(2,2,0,0), C(512,3,1,1,1), C(1024,7,1,3,1), C(512,9,1,4,1), SM(10)]",
    "[C(256,3,1,1,1), C(256,7,2,3,1), C(512,5,1,2,1), SM(10)]",
    "[C(64,9,1,0,1), C(32,5,1,2,1), C(64,3,1,1,0), C(1024,1,1,0,1), C(512,5,1,2,1), SM(10)]",
];

type Anyhow<T> = Result<T, Box<dyn Error>>;

fn main() -> Anyhow<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, device, nets] = &arguments[..]
        && mode == "plans"
    {
        return plans(device, nets);
    }
    let start = Instant::now();
    let engine = CudaEngine::new(0)?;
    say(json!({"what": "open", "engine": engine.name(), "s": start.elapsed().as_secs_f64()}));
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["compare"] => compare(&engine, &NETS, &[1, 3]),
        ["fit"] => compare_fits(&engine, &[(10, 256, 2000), (10, 1000, 1999), (100, 512, 3000), (3, 40, 100)]),
        // Little work, for a sanitizer.
        ["small"] => {
            compare(&engine, &NETS[1..2], &[1])?;
            compare_fits(&engine, &[(3, 40, 100)])
        }
        ["fit-time"] => {
            let sizes =
                [10, 100].into_iter().flat_map(|classes| [1024, 4096, 18_432].map(|features| (classes, features)));
            sizes.into_iter().try_for_each(|(classes, features)| time_fit(&engine, classes, features))
        }
        ["encode-time", nets, images] => {
            let (nets, images) = (std::fs::read_to_string(nets)?, images.parse()?);
            let nets = nets.lines().map(str::trim).filter(|line| line.starts_with('['));
            nets.into_iter().try_for_each(|net| time_encoder(&engine, net, images))
        }
        ["survey"] => survey(&engine),
        _ => Err(
            "gpu_check compare | fit | small | fit-time | encode-time NETS IMAGES | survey | plans DEVICE.json NETS"
                .into(),
        ),
    }
}

/// What cuDNN would take for every convolution of some nets, without a GPU, and the share of each engine.
fn plans(device: &str, nets: &str) -> Anyhow<()> {
    let nets = std::fs::read_to_string(nets)?;
    let nets = nets.lines().map(str::trim).filter(|line| line.starts_with('['));
    let plan = |net: &str| -> Anyhow<_> { Ok(net.parse::<Net>()?.plan(ImageShape::square(1, 28))?) };
    let planned = plan_convolutions(&std::fs::read_to_string(device)?, &nets.map(plan).collect::<Anyhow<Vec<_>>>()?)?;
    let all: f64 = planned.iter().map(|one| one.flop_per_image).sum();
    let mut shares = std::collections::BTreeMap::<(i64, bool), f64>::new();
    for one in &planned {
        *shares.entry((one.engine, one.fused)).or_default() += one.flop_per_image / all;
        if !one.tensor_cores {
            say(json!({"what": "no tensor cores", "shape": one.shape, "engine": one.engine}));
        }
    }
    for ((engine, fused), share) in shares {
        say(json!({"what": "share", "engine": engine, "fused": fused, "share of operations": share}));
    }
    Ok(())
}

fn survey(engine: &CudaEngine) -> Anyhow<()> {
    for net in SURVEY {
        let plan = net.parse::<Net>()?.plan(ImageShape::square(1, 28))?;
        for c in engine.survey(&plan, 8)? {
            say(json!({
                "what": "configuration", "shape": c.shape, "engine": c.engine, "fused": c.fused, "ms": c.milliseconds,
                "tflops": c.tflops, "workspace": c.workspace, "taken": c.taken,
            }));
        }
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "this is the program's output")]
fn say(line: serde_json::Value) {
    println!("{line}");
}

fn pixels(shape: ImageShape, images: usize) -> Vec<f32> {
    let mut pixels = vec![0.0; images * (shape.channels * shape.height * shape.width) as usize];
    Seed(5).stream("test images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    pixels
}

fn difference(found: &[f32], expected: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let pairs = || found.iter().zip(expected).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let (error, norm): (f64, f64) = (pairs().map(|(a, b)| square(a - b)).sum(), pairs().map(|(_, b)| square(b)).sum());
    if found.len() == expected.len() { (error / norm).sqrt() } else { f64::NAN }
}

/// Rows and statistics beside those of the CPU's bf16 engine, and beside a second encoder.
fn compare(engine: &CudaEngine, nets: &[&str], channels: &[u32]) -> Anyhow<()> {
    let cpu = CpuEngine::new(Precision::Bf16)?;
    let all = nets.iter().flat_map(|net| channels.iter().map(move |channels| (net, ImageShape::square(*channels, 28))));
    all.into_iter().try_for_each(|(net, shape)| compare_net(engine, &cpu, net, shape))
}

fn compare_net(engine: &CudaEngine, cpu: &CpuEngine, net: &str, shape: ImageShape) -> Anyhow<()> {
    let plan = net.parse::<Net>()?.plan(shape)?;
    let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1))?;
    let pixels = pixels(shape, 70);
    let images = Images::new(shape, &pixels)?;
    let chunk = NonZeroUsize::new(32).ok_or("chunk")?;
    let calibrate = |encoder: &mut dyn Encode| -> Anyhow<Calibration> {
        Ok(encoder.calibrate(&mut Measure::new(images, 1e-4, chunk))?)
    };
    let (mut gpu, mut host) = (engine.encoder(&prior)?, cpu.load(&prior)?);
    let bare = difference(&gpu.embed(images)?, &host.embed(images)?);
    let (of_gpu, of_host) = (calibrate(&mut gpu)?, calibrate(&mut *host)?);
    let flat = |calibration: &Calibration| -> Vec<f32> {
        calibration
            .stages
            .iter()
            .flatten()
            .flat_map(|stats| stats.mean.iter().chain(&stats.variance).copied())
            .collect()
    };
    let statistics = difference(&flat(&of_gpu), &flat(&of_host));
    let (rows, expected) = (gpu.embed(images)?, host.embed(images)?);
    let normed = difference(&rows, &expected);
    host.freeze(Some((&of_gpu, 1e-4)))?;
    let same_statistics = difference(&rows, &host.embed(images)?);
    let again = engine.encoder(&prior).map_err(Box::<dyn Error>::from).and_then(|mut again| {
        calibrate(&mut again)?;
        Ok(again.embed(images)?)
    })?;
    let features = plan.features() as usize;
    let alone = gpu.embed(Images::new(shape, &pixels[40 * pixels.len() / 70..41 * pixels.len() / 70])?)?;
    say(json!({
        "what": "compare", "net": net, "channels": shape.channels, "without norm": bare, "with norm": normed,
        "statistics": statistics, "same statistics": same_statistics, "again equal": again == rows,
        "alone equal": alone == rows[40 * features..41 * features], "finite": rows.iter().all(|x| x.is_finite()),
    }));
    Ok(())
}

/// Rows in bf16 with labels that a linear classifier can learn, mostly.
fn problem(classes: u32, features: usize, rows: usize) -> (Vec<u16>, Vec<u32>) {
    let mut values = vec![0.0_f32; rows * features];
    Seed(9).stream("rows", 0).fill_uniform(0, 0.0, 1.0, &mut values);
    let labels: Vec<u32> =
        (0..rows as u32).map(|row| row.wrapping_mul(2_654_435_761) >> 8).map(|x| x % classes).collect();
    for (row, label) in values.chunks_exact_mut(features).zip(&labels) {
        for (feature, value) in row.iter_mut().enumerate() {
            *value += if feature as u32 % classes == *label { 0.1 } else { 0.0 };
        }
    }
    (values.iter().map(|value| (value.to_bits() >> 16) as u16).collect(), labels)
}

/// Classifiers beside those of the CPU, and beside a second fit.
fn compare_fits(engine: &CudaEngine, sizes: &[(u32, usize, usize)]) -> Anyhow<()> {
    sizes.iter().try_for_each(|&(classes, features, rows)| compare_fit(engine, classes, features, rows))
}

fn compare_fit(engine: &CudaEngine, classes: u32, features: usize, rows: usize) -> Anyhow<()> {
    let (bits, labels) = problem(classes, features, rows);
    let values: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(u32::from(bits) << 16)).collect();
    let config = ProbeConfig { epochs: 5, early_stopping_threshold: 0.0, ..ProbeConfig::paper(Seed(2)) };
    let (a, b) = (rows * 8 / 10, rows * 9 / 10);
    let part = |from: usize, to: usize| CudaRows::upload(engine, &bits[from * features..to * features], features);
    let (train, valid, test) = (part(0, a)?, part(a, b)?, part(b, rows)?);
    let splits =
        FitSplits { train: (&train, &labels[..a]), valid: (&valid, &labels[a..b]), test: Some((&test, &labels[b..])) };
    let found = engine.fit_rows(&config, classes, splits, &mut |_| ControlFlow::Continue(()))?;
    let again = engine.fit_rows(&config, classes, splits, &mut |_| ControlFlow::Continue(()))?;
    let host =
        |from: usize, to: usize| Labelled::new(&values[from * features..to * features], &labels[from..to], features);
    let expected =
        fit(&config, classes, host(0, a)?, host(a, b)?, Some(host(b, rows)?), &mut |_| ControlFlow::Continue(()))?;
    let last = |report: &dpnas_train::TrainReport| {
        report.epochs.last().map(|e| json!([e.train_loss, e.train_accuracy, e.valid_accuracy, e.test_accuracy]))
    };
    say(json!({
        "what": "fit", "classes": classes, "features": features,
        "weights": difference(found.classifier.weights(), expected.classifier.weights()),
        "gpu": last(&found.report), "cpu": last(&expected.report), "again equal": again == found,
    }));
    Ok(())
}

fn time_fit(engine: &CudaEngine, classes: u32, features: usize) -> Anyhow<()> {
    let rows = 54_000;
    let (bits, labels) = problem(classes, features, 4_000);
    let many: Vec<u16> = (0..rows / 2000).flat_map(|_| bits[..2000 * features].iter().copied()).collect();
    let many_labels: Vec<u32> = (0..rows / 2000).flat_map(|_| labels[..2000].iter().copied()).collect();
    let start = Instant::now();
    let train = CudaRows::upload(engine, &many, features)?;
    let valid = CudaRows::upload(engine, &bits[2000 * features..], features)?;
    let upload = start.elapsed().as_secs_f64();
    let config = ProbeConfig { epochs: 10, early_stopping_threshold: 0.0, ..ProbeConfig::paper(Seed(2)) };
    let splits = FitSplits { train: (&train, &many_labels), valid: (&valid, &labels[2000..]), test: None };
    let mut times = Vec::new();
    let mut last = Instant::now();
    let fitted = engine.fit_rows(&config, classes, splits, &mut |_| {
        times.push(last.elapsed().as_secs_f64());
        last = Instant::now();
        ControlFlow::Continue(())
    })?;
    times.sort_by(f64::total_cmp);
    let epoch = fitted.report.epochs.last().map(|e| json!([e.train_loss, e.train_accuracy, e.valid_accuracy]));
    say(json!({
        "what": "fit time", "classes": classes, "features": features, "upload s": upload, "epoch s": times[times.len() / 2],
        "70 epochs s": times[times.len() / 2] * 70.0,
        "last": epoch,
    }));
    Ok(())
}

fn time_encoder(engine: &CudaEngine, net: &str, images: usize) -> Anyhow<()> {
    let shape = ImageShape::square(1, 28);
    let plan = net.parse::<Net>()?.plan(shape)?;
    let start = Instant::now();
    let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1))?;
    let draw = start.elapsed().as_secs_f64();
    let pixels = pixels(shape, images);
    let set = Images::new(shape, &pixels)?;
    let start = Instant::now();
    let mut encoder = engine.encoder(&prior)?;
    let load = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let chunk = NonZeroUsize::new(1024).ok_or("chunk")?;
    let calibration = Images::new(shape, &pixels[..pixels.len() / images * images.min(1024)])?;
    encoder.calibrate(&mut Measure::new(calibration, 1e-4, chunk))?;
    let calibrate = start.elapsed().as_secs_f64();
    let resident = CudaImages::upload(engine, set)?;
    let mut times = Vec::new();
    for _ in 0..4 {
        let start = Instant::now();
        encoder.rows(&resident)?.ok_or("a row is not finite")?;
        times.push(start.elapsed().as_secs_f64());
    }
    let stages: Vec<f64> = encoder.times(&resident)?.iter().map(|s| (s * 1e7).round() / 1e4).collect();
    times.remove(0);
    times.sort_by(f64::total_cmp);
    let flop = 2.0 * plan.multiply_adds() as f64 * images as f64;
    say(json!({
        "what": "encode time", "net": net, "images": images, "gflop_per_image": 2e-9 * plan.multiply_adds() as f64,
        "features": plan.features(), "draw s": draw, "load s": load, "calibrate s": calibrate, "encode s": times[1],
        "tflops": flop / times[1] / 1e12, "stages ms": stages,
    }));
    Ok(())
}
