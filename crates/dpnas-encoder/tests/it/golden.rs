//! Golden values from an independent PyTorch script, `fixtures/encoder/golden.py`.

use burn::tensor::backend::Backend;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use dpnas_encoder::BurnEngine;
use dpnas_grammar::{ImageShape, Net};
use dpnas_prior::{Encode, EncodeExt, Engine, EngineError, Images, Measure, NormMode, Normalisation, Prior};
use dpnas_seed::Seed;
use serde::Deserialize;
use std::num::NonZeroUsize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    net: String,
    input: String,
    init: String,
    norm: String,
    epsilon: f64,
    images: usize,
    batch_size: usize,
    seed: u64,
    embedding: Vec<Vec<f32>>,
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../../fixtures/encoder/golden.json")).unwrap();
    assert!(cases.len() >= 18, "the golden file lost cases");
    cases
}

fn embed(case: &Case, encoder: &mut dyn Encode, chunk: usize) -> Vec<f32> {
    let shape: ImageShape = case.input.parse().unwrap();
    let values = shape.elements().unwrap() as usize;
    let mut pixels = vec![0.0; case.embedding.len() * values];
    Seed(case.seed).stream("golden images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    let (train, held_out) = pixels.split_at(case.images * values);
    let (train, held_out) = (Images::new(shape, train).unwrap(), Images::new(shape, held_out).unwrap());
    let norm = Normalisation { mode: case.norm.parse().unwrap(), epsilon: case.epsilon };
    let mut request = Measure::new(train, norm.epsilon, NonZeroUsize::new(chunk).unwrap());
    let mut rows = Vec::new();
    let mut sink = |block: &[f32]| -> Result<(), EngineError> {
        rows.extend_from_slice(block);
        Ok(())
    };
    match norm.effective_mode() {
        NormMode::Reference => {
            let batch = NonZeroUsize::new(case.batch_size).unwrap();
            encoder.encode_by_mini_batch(&mut request, batch, &mut sink).unwrap();
        }
        mode => {
            if mode == NormMode::Calibrated {
                encoder.calibrate(&mut request).unwrap();
            }
            encoder.encode_in_chunks(train, &mut request.chunk, &mut sink).unwrap();
        }
    }
    encoder.encode_in_chunks(held_out, &mut request.chunk, &mut sink).unwrap();
    rows
}

fn check<B: Backend>(device: B::Device) {
    for case in cases() {
        let plan = case.net.parse::<Net>().unwrap().plan(case.input.parse().unwrap()).unwrap();
        let prior = Prior::draw(&plan, case.init.parse().unwrap(), Seed(case.seed)).unwrap();
        let mut encoder = BurnEngine::<B>::new("test", device.clone()).load(&prior).unwrap();
        let rows = embed(&case, &mut *encoder, 5);
        let expected: Vec<f32> = case.embedding.iter().flatten().copied().collect();
        assert_eq!(rows.len(), expected.len(), "{}", case.name);
        let largest = expected.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        for (index, (found, expected)) in rows.iter().zip(&expected).enumerate() {
            // Single precision through a few layers, relative to the largest value of the embedding.
            assert!(
                (found - expected).abs() < 2e-5 * largest,
                "{}: value {index} is {found}, not {expected}",
                case.name
            );
        }
    }
}

#[test]
fn flex_computes_the_golden_values() {
    check::<Flex>(Default::default());
}

#[test]
fn ndarray_computes_the_golden_values() {
    check::<NdArray>(Default::default());
}
