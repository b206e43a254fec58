//! One architecture on one engine: all figures of a row.

use crate::classifier::{Split, seconds};
use crate::process::{peak_bytes, processor_seconds};
use crate::rows::Rows;
use crate::timed;
use crate::workload::{CHUNK, EPSILON, Workload, first, prior};
use anyhow::Result;
use dpnas_grammar::{Layer, Plan};
use dpnas_prior::{Engine, EngineError, Images};
use serde::Serialize;
use std::num::NonZeroUsize;

/// What was measured of an architecture.
#[derive(Clone, Debug, Serialize)]
pub struct NetRecord {
    /// The architecture.
    pub net: String,
    /// Device, level, precision and version.
    pub engine: String,
    /// Images that were embedded, on which the classifier was trained.
    pub images: usize,
    /// Numbers of a row.
    pub features: u64,
    /// Threads of the encoder and of the classifier.
    pub threads: usize,
    /// 10⁹ floating-point operations of the plan for an image: two a product, by direct convolution.
    pub gflop_per_image: f64,
    /// Drawing the weights, in seconds.
    pub draw_s: f64,
    /// Packing them, in seconds.
    pub load_s: f64,
    /// Calibrating, in seconds.
    pub calibrate_s: f64,
    /// Images that were calibrated on.
    pub calibration_images: usize,
    /// Embedding all images into memory, in seconds: the median of the repeats.
    pub encode_s: f64,
    /// Images embedded a second.
    pub images_per_s: f64,
    /// 10⁹ floating-point operations a second.
    pub encode_gflops: f64,
    /// Images embedded a second of processor time, which a busy machine leaves almost alone.
    pub images_per_processor_s: Option<f64>,
    /// Epochs of the classifier.
    pub epochs: u32,
    /// The classifier, in seconds: the median of the repeats.
    pub probe_s: f64,
    /// The most that the processor does with numbers in registers, in 10⁹ operations a second.
    pub peak_gflops: Option<f64>,
    /// The most bytes that the process has had resident until then.
    pub peak_bytes: Option<u64>,
}

/// Measures one plan.
///
/// # Errors
/// If the engine or the classifier fails.
pub fn measure(
    engine: &dyn Engine,
    plan: &Plan,
    pixels: &[f32],
    workload: &Workload,
    threads: NonZeroUsize,
    peak_gflops: Option<f64>,
) -> Result<NetRecord> {
    let images = Images::new(plan.input(), pixels)?;
    let (prior, draw_s) = timed(|| prior(plan));
    let prior = prior?;
    let (encoder, load_s) = timed(|| engine.load(&prior));
    let mut encoder = encoder?;
    let calibration = first(images, CHUNK.get());
    let (calibrated, calibrate_s) = timed(|| encoder.calibrate(calibration, EPSILON, CHUNK));
    calibrated?;
    // Warms up, as the peer does.
    encoder.encode(calibration)?;
    let features = plan.features() as usize;
    let mut rows = Rows::with_capacity(workload.precision, images.len() * features);
    let (mut encode, mut processor) = (Vec::new(), None);
    for _ in 0..workload.repeats.get() {
        rows.clear();
        let before = processor_seconds();
        let (done, seconds) = timed(|| {
            encoder.encode_in_chunks::<EngineError>(images, CHUNK, |chunk| {
                rows.extend(chunk);
                Ok(())
            })
        });
        done?;
        let spent = before.zip(processor_seconds()).map(|(before, after)| after - before);
        processor = processor.into_iter().chain(spent).min_by(f64::total_cmp);
        encode.push(seconds);
    }
    let classes = classes(plan);
    let fit = |_| seconds(&rows, features, classes, workload.epochs, threads, Split::All);
    let probe = (0..workload.repeats.get()).map(fit).collect::<Result<Vec<f64>>>()?;
    let (encode_s, gflop_per_image) = (median(encode), 2e-9 * plan.multiply_adds() as f64);
    let images_per_s = images.len() as f64 / encode_s;
    Ok(NetRecord {
        net: plan.net().to_string(),
        engine: engine.name().to_owned(),
        images: images.len(),
        features: plan.features(),
        threads: threads.get(),
        gflop_per_image,
        draw_s,
        load_s,
        calibrate_s,
        calibration_images: calibration.len(),
        encode_s,
        images_per_s,
        encode_gflops: gflop_per_image * images_per_s,
        images_per_processor_s: processor.map(|seconds| images.len() as f64 / seconds),
        epochs: workload.epochs,
        probe_s: median(probe),
        peak_gflops,
        peak_bytes: peak_bytes(),
    })
}

/// Classes of the plan's last layer.
pub(crate) fn classes(plan: &Plan) -> u32 {
    match plan.net().layers().last() {
        Some(Layer::Softmax { classes }) => *classes,
        _ => 10,
    }
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::pixels;
    use dpnas_grammar::{ImageShape, Net};
    use dpnas_kernels::{CpuEngine, Precision};

    #[test]
    fn every_figure_of_a_row_belongs_to_the_architecture() {
        let plan = "[C(16,3,1,1,1), P(2,2,0,0), SM(3)]".parse::<Net>().unwrap().plan(ImageShape::square(1, 8)).unwrap();
        let workload = Workload {
            nets: "unused".into(),
            only: Vec::new(),
            images: NonZeroUsize::new(20).unwrap(),
            channels: 1,
            size: 8,
            epochs: 2,
            repeats: NonZeroUsize::MIN,
            threads: None,
            precision: Precision::F32,
        };
        let engine = CpuEngine::new(Precision::F32).unwrap();
        let pixels = pixels(plan.input(), 20);
        let record = measure(&engine, &plan, &pixels, &workload, NonZeroUsize::MIN, Some(1.0)).unwrap();
        assert_eq!((record.images, record.features, record.epochs, record.threads), (20, 256, 2, 1));
        assert_eq!(record.gflop_per_image, 2e-9 * (16 * 9 * 64) as f64);
        assert!((record.images_per_s * record.encode_s - 20.0).abs() < 1e-9);
        assert!(record.encode_gflops > 0.0 && record.probe_s > 0.0 && record.calibration_images == 20);
        assert!(serde_json::to_string(&record).unwrap().contains("\"images_per_s\":"));
    }

    #[test]
    fn the_median_is_the_middle_and_classes_are_those_of_the_last_layer() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        let plan = "[SM(7)]".parse::<Net>().unwrap().plan(ImageShape::square(1, 8)).unwrap();
        assert_eq!(classes(&plan), 7);
    }
}
