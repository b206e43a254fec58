//! Where the time of scoring one architecture goes.

use crate::classifier::{Split, seconds};
use crate::net::classes;
use crate::rows::Rows;
use crate::timed;
use crate::workload::{CHUNK, EPSILON, Workload, prior};
use anyhow::Result;
use dpnas_grammar::Plan;
use dpnas_prior::{Encode, Engine, EngineError, Images, KnownRows};
use serde::Serialize;
use std::num::NonZeroUsize;

/// The seconds of each part of scoring an architecture once.
#[derive(Clone, Debug, Serialize)]
pub struct SplitRecord {
    /// The architecture.
    pub net: String,
    /// Device, level, precision and version.
    pub engine: String,
    /// Images that were embedded: nine tenths train the classifier, the last tenth is validated.
    pub images: usize,
    /// Numbers of a row.
    pub features: u64,
    /// Epochs of the classifier.
    pub epochs: u32,
    /// Drawing the weights, in seconds.
    pub draw_s: f64,
    /// Packing them, in seconds.
    pub load_s: f64,
    /// Embedding all images with statistics that are there, in seconds.
    pub encode_s: f64,
    /// Calibrating on so many of the images and embedding all of them, in seconds: less than both apart, because the rows
    /// of the calibration set come with its statistics.
    pub calibrate_and_encode_s: Vec<(usize, f64)>,
    /// The classifier, in seconds.
    pub probe_s: f64,
}

/// Times each part once, calibration once for each number of images.
///
/// # Errors
/// If the engine or the classifier fails.
pub fn split(
    engine: &dyn Engine,
    plan: &Plan,
    pixels: &[f32],
    workload: &Workload,
    calibrations: &[NonZeroUsize],
    threads: NonZeroUsize,
) -> Result<SplitRecord> {
    let images = Images::new(plan.input(), pixels)?;
    let (prior, draw_s) = timed(|| prior(plan));
    let prior = prior?;
    let (encoder, load_s) = timed(|| engine.load(&prior));
    let mut encoder = encoder?;
    let features = plan.features() as usize;
    // Rows are in new memory each time, as in a score.
    let embed = |encoder: &dyn Encode, known: KnownRows<'_>| {
        let mut rows = Rows::with_capacity(workload.precision, images.len() * features);
        encoder.encode_others_in_chunks::<EngineError>(images, CHUNK, known, |chunk| {
            rows.extend(chunk);
            Ok(())
        })?;
        anyhow::Ok(rows)
    };
    let mut calibrate_and_encode_s = Vec::new();
    for count in calibrations {
        let (indices, pixels) = spread(images, count.get());
        let (embedded, seconds) = timed(|| {
            let set = Images::new(plan.input(), &pixels)?;
            let mut rows = Vec::new();
            encoder.calibrate_and_encode(set, EPSILON, CHUNK, &mut rows)?;
            let known = KnownRows { indices: if rows.is_empty() { &[] } else { &indices }, rows: &rows };
            embed(&*encoder, known)
        });
        embedded?;
        calibrate_and_encode_s.push((indices.len(), seconds));
    }
    let (encoded, encode_s) = timed(|| embed(&*encoder, KnownRows { indices: &[], rows: &[] }));
    let rows = encoded?;
    let probe_s = seconds(&rows, features, classes(plan), workload.epochs, threads, Split::HoldOut)?;
    Ok(SplitRecord {
        net: plan.net().to_string(),
        engine: engine.name().to_owned(),
        images: images.len(),
        features: plan.features(),
        epochs: workload.epochs,
        draw_s,
        load_s,
        encode_s,
        calibrate_and_encode_s,
        probe_s,
    })
}

/// Some images, evenly spread over a set: their indices and their pixels.
fn spread(images: Images<'_>, count: usize) -> (Vec<usize>, Vec<f32>) {
    let (count, values) = (count.min(images.len()), images.pixels().len() / images.len().max(1));
    let indices: Vec<usize> = (0..count).map(|index| index * images.len() / count).collect();
    let pixels = indices.iter().flat_map(|index| &images.pixels()[index * values..][..values]).copied().collect();
    (indices, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::pixels;
    use dpnas_grammar::{ImageShape, Net};
    use dpnas_kernels::{CpuEngine, Precision};

    #[test]
    fn every_part_is_timed_and_calibration_takes_no_more_images_than_there_are() {
        let plan = "[C(16,3,1,1,1), P(2,2,0,0), SM(3)]".parse::<Net>().unwrap().plan(ImageShape::square(1, 8)).unwrap();
        let one = NonZeroUsize::MIN;
        let workload = Workload {
            nets: "unused".into(),
            only: Vec::new(),
            images: NonZeroUsize::new(30).unwrap(),
            channels: 1,
            size: 8,
            epochs: 2,
            repeats: one,
            threads: None,
            precision: Precision::F32,
        };
        let engine = CpuEngine::new(Precision::F32).unwrap();
        let pixels = pixels(plan.input(), 30);
        let calibrations = [10, 100].map(|count| NonZeroUsize::new(count).unwrap());
        let record = split(&engine, &plan, &pixels, &workload, &calibrations, one).unwrap();
        assert_eq!(record.calibrate_and_encode_s.iter().map(|(count, _)| *count).collect::<Vec<_>>(), [10, 30]);
        let parts = [record.draw_s, record.load_s, record.calibrate_and_encode_s[0].1, record.encode_s, record.probe_s];
        assert!(parts.iter().all(|seconds| *seconds > 0.0), "{parts:?}");
    }
}
