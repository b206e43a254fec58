//! The seconds of each part of scoring one architecture.

use crate::{Workload, timed};
use anyhow::Result;
use dpnas_grammar::{Layer, Plan};
use dpnas_kernels::Precision;
use dpnas_prior::{Encode, EncodeExt, Engine, EngineError, Images, KnownRows, Measure, Prior, WeightInit};
use dpnas_seed::Seed;
use dpnas_train::{Bf16, Element, Labelled, ProbeConfig, fit};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

const CHUNK: NonZeroUsize = NonZeroUsize::new(256).unwrap();
const EPSILON: f64 = 1e-4;
const SEED: Seed = Seed(1);

/// Figures of an architecture; fields that end in `_s` are seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The architecture.
    pub net: String,
    /// The engine's name: device, level, precision and version.
    pub engine: String,
    /// Numbers of a row.
    pub features: u64,
    /// 10⁹ floating-point operations of the plan for an image: two a product of direct convolution.
    pub gflop_per_image: f64,
    /// Drawing the weights.
    pub draw_s: f64,
    /// Packing them.
    pub load_s: f64,
    /// For each number of calibration images: calibrating and embedding all images, which shares work.
    pub calibrate_and_encode_s: Vec<(usize, f64)>,
    /// Embedding all images with known statistics: the median of the repetitions.
    pub encode_s: f64,
    /// Images embedded a second.
    pub images_per_s: f64,
    /// 10⁹ floating-point operations a second.
    pub encode_gflops: f64,
    /// Training the classifier: the median of the repetitions.
    pub probe_s: f64,
    /// The peak of the processor, in 10⁹ operations a second.
    pub peak_gflops: Option<f64>,
}

/// Measures one plan on random images: time does not depend on their content.
///
/// # Errors
/// If the engine or the classifier fails.
pub fn measure(
    engine: &dyn Engine,
    plan: &Plan,
    workload: &Workload,
    threads: NonZeroUsize,
    peak_gflops: Option<f64>,
) -> Result<Record> {
    // A search keeps the rows of a bf16 encoder as bf16.
    match workload.precision {
        Precision::F32 => measure_rows(engine, plan, workload, threads, peak_gflops, |value| value),
        Precision::Bf16 => measure_rows(engine, plan, workload, threads, peak_gflops, Bf16::from_upper_half),
    }
}

fn measure_rows<E: Element>(
    engine: &dyn Engine,
    plan: &Plan,
    workload: &Workload,
    threads: NonZeroUsize,
    peak_gflops: Option<f64>,
    stored: impl Fn(f32) -> E,
) -> Result<Record> {
    let (count, features) = (workload.images.get(), plan.features() as usize);
    let values = plan.input().elements().unwrap_or_default() as usize;
    let mut pixels = vec![0.0; count * values];
    SEED.stream("images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    let images = Images::new(plan.input(), &pixels)?;
    let (prior, draw_s) = timed(|| Prior::draw(plan, WeightInit::KaimingNormal, SEED));
    let prior = prior?;
    let (encoder, load_s) = timed(|| engine.load(&prior));
    let mut encoder = encoder?;

    let embed = |encoder: &dyn Encode, known: KnownRows<'_>, rows: &mut Vec<E>| -> Result<()> {
        rows.clear();
        Ok(encoder.encode_with_known_rows::<EngineError>(images, &mut { CHUNK }, known, |chunk| {
            rows.extend(chunk.iter().map(|value| stored(*value)));
            Ok(())
        })?)
    };
    let mut rows = Vec::with_capacity(count * features);
    let mut calibrate_and_encode_s = Vec::new();
    for wanted in &workload.calibration {
        let wanted = wanted.get().min(count);
        let indices: Vec<usize> = (0..wanted).map(|index| index * count / wanted).collect();
        let set: Vec<f32> = indices.iter().flat_map(|index| &pixels[index * values..][..values]).copied().collect();
        let (embedded, seconds) = timed(|| {
            let mut known = Vec::new();
            let mut request = Measure::new(Images::new(plan.input(), &set)?, EPSILON, CHUNK);
            request.rows = Some(&mut known);
            encoder.calibrate(&mut request)?;
            let known = KnownRows { indices: if known.is_empty() { &[] } else { &indices }, rows: &known };
            embed(&*encoder, known, &mut rows)
        });
        embedded?;
        calibrate_and_encode_s.push((wanted, seconds));
    }
    let encode_s = median(workload.repeats, || embed(&*encoder, KnownRows { indices: &[], rows: &[] }, &mut rows))?;

    let classes = match plan.net().layers().last() {
        Some(Layer::Softmax { classes }) => *classes,
        _ => 10,
    };
    let labels: Vec<u32> = (0..count as u32).map(|image| image % classes).collect();
    let train = Labelled::new(&rows, &labels, features)?;
    // The peer validates nothing; there has to be one row.
    let valid = Labelled::new(&rows[..features], &labels[..1], features)?;
    let config =
        ProbeConfig { epochs: workload.epochs, threads, early_stopping_threshold: 0.0, ..ProbeConfig::paper(SEED) };
    let probe_s = median(workload.repeats, || {
        fit(&config, classes, train, valid, None, &mut |_| ControlFlow::Continue(()))?;
        Ok(())
    })?;

    let gflop_per_image = 2e-9 * plan.multiply_adds() as f64;
    let images_per_s = count as f64 / encode_s;
    Ok(Record {
        net: plan.net().to_string(),
        engine: engine.name().to_owned(),
        features: plan.features(),
        gflop_per_image,
        draw_s,
        load_s,
        calibrate_and_encode_s,
        encode_s,
        images_per_s,
        encode_gflops: gflop_per_image * images_per_s,
        probe_s,
        peak_gflops,
    })
}

/// The median of the seconds of several runs.
fn median(repeats: NonZeroUsize, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..repeats.get() {
        let (done, time) = timed(&mut run);
        done?;
        seconds.push(time);
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::tests::workload;
    use dpnas_kernels::CpuEngine;

    #[test]
    fn every_part_is_timed_in_both_precisions() {
        for precision in [Precision::F32, Precision::Bf16] {
            let more = ["--images", "30", "--calibration", "10,100", "--size", "8", "--epochs", "2", "--precision"];
            let workload =
                workload("[C(16,3,1,1,1), P(2,2,0,0), SM(3)]", &[&more[..], &[&*precision.to_string()]].concat());
            let plan = &workload.plans().unwrap()[0];
            let engine = CpuEngine::new(precision).unwrap();
            let record = measure(&engine, plan, &workload, NonZeroUsize::MIN, Some(1.0)).unwrap();
            assert_eq!((record.features, record.gflop_per_image), (256, 2e-9 * (16 * 9 * 64) as f64));
            assert!((record.images_per_s * record.encode_s - 30.0).abs() < 1e-9);
            // There are no more images than 30 to calibrate on.
            assert_eq!(record.calibrate_and_encode_s.iter().map(|it| it.0).collect::<Vec<_>>(), [10, 30]);
            let parts =
                [record.draw_s, record.load_s, record.calibrate_and_encode_s[0].1, record.encode_s, record.probe_s];
            assert!(parts.iter().all(|seconds| *seconds > 0.0), "{parts:?}");
        }
    }
}
