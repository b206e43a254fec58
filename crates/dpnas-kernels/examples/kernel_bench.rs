//! Prints how fast whole encoders run, one JSON line a net, to be run in turns with a peer.
//!
//! `kernel_bench NETS [images=2048] [precision=f32] [repeats=3] [threads=0] [channels=1] [size=28] [only=N,N]`
//!
//! `NETS` holds an architecture a line; lines that start with `#` are passed over. Threads: 0 for one a core.

use dpnas_grammar::{ImageShape, Net};
use dpnas_kernels::{CpuEngine, Precision};
use dpnas_prior::{Engine, Images, Prior, WeightInit};
use dpnas_seed::Seed;
use std::error::Error;
use std::num::NonZeroUsize;
use std::time::Instant;

struct Options {
    nets: String,
    images: usize,
    precision: Precision,
    repeats: usize,
    threads: usize,
    channels: u32,
    size: u32,
    only: Vec<usize>,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let nets = std::fs::read_to_string(arguments.next().ok_or("name a file of nets")?)?;
    let mut options = Options {
        nets,
        images: 2048,
        precision: Precision::F32,
        repeats: 3,
        threads: 0,
        channels: 1,
        size: 28,
        only: Vec::new(),
    };
    for argument in arguments {
        let (name, value) = argument.split_once('=').ok_or("options are name=value")?;
        match name {
            "images" => options.images = value.parse()?,
            "precision" => options.precision = value.parse()?,
            "repeats" => options.repeats = value.parse()?,
            "threads" => options.threads = value.parse()?,
            "channels" => options.channels = value.parse()?,
            "size" => options.size = value.parse()?,
            "only" => options.only = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
#[expect(clippy::disallowed_methods, reason = "clock: it measures")]
fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    rayon::ThreadPoolBuilder::new().num_threads(options.threads).build_global()?;
    let engine = CpuEngine::new(options.precision)?;
    let shape = ImageShape::square(options.channels, options.size);
    let mut pixels = vec![0.0; options.images * shape.elements().unwrap_or(0) as usize];
    Seed(1).stream("images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    let images = Images::new(shape, &pixels)?;
    let lines = options.nets.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    for (number, line) in lines.enumerate().map(|(index, line)| (index + 1, line)) {
        if !options.only.is_empty() && !options.only.contains(&number) {
            continue;
        }
        let plan = line.trim().parse::<Net>()?.plan(shape)?;
        let prior = Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1))?;
        let chunk = NonZeroUsize::new(256).unwrap_or(NonZeroUsize::MIN);
        let start = Instant::now();
        let mut encoder = engine.load(&prior)?;
        let load = start.elapsed().as_secs_f64();
        let start = Instant::now();
        encoder.calibrate(images.chunks(chunk).next().unwrap_or(images), 1e-4, chunk)?;
        let calibrate = start.elapsed().as_secs_f64() / images.len().min(256) as f64;
        let mut seconds = Vec::new();
        let mut processor = f64::INFINITY;
        for _ in 0..options.repeats.max(1) {
            let (start, before) = (Instant::now(), processor_seconds());
            encoder.encode_in_chunks::<Box<dyn Error>>(images, chunk, |_| Ok(()))?;
            seconds.push(start.elapsed().as_secs_f64());
            processor = processor.min(processor_seconds() - before);
        }
        seconds.sort_by(f64::total_cmp);
        let (median, fastest) = (seconds[seconds.len() / 2], seconds[0]);
        let gflop = 2e-9 * plan.multiply_adds() as f64 * images.len() as f64;
        println!(
            "{{\"net\": \"{}\", \"engine\": \"{}\", \"images_per_s\": {:.0}, \"encode_gflops\": {:.1}, \
             \"fastest_images_per_s\": {:.0}, \"images_per_processor_s\": {:.0}, \"load_s\": {load:.4}, \"calibrate_s_per_1000_images\": {:.4}}}",
            plan.net(),
            engine.name(),
            images.len() as f64 / median,
            gflop / median,
            images.len() as f64 / fastest,
            images.len() as f64 / processor,
            1000.0 * calibrate,
        );
    }
    Ok(())
}

/// Seconds that all threads of this process have run: what a busy machine leaves almost alone. 0 where Linux does not
/// tell.
fn processor_seconds() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let run = |task: std::fs::DirEntry| -> Option<f64> {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    tasks.flatten().filter_map(run).sum::<f64>() * 1e-9
}
