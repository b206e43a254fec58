//! Computations with vector instructions that have to agree with plain loops.

use crate::text::input_and_net;
use crate::{Reading, refused};
use dpnas::heads::{FixedPoint, Statistics};
use dpnas::kernels::{CpuEngine, Level, Precision};
use dpnas::prior::conformance::{Tolerance, embed};
use dpnas::prior::{EncodeExt, Engine, Images, Prior, WeightInit};
use dpnas::search::Seed;
use safetensors::SafeTensors;

/// The Gram matrix of rows of features: the first byte says how many, the second how many classes, the others are values.
pub(crate) fn gram(bytes: &[u8]) -> Reading {
    let [features, classes, values @ ..] = bytes else { return Err("no rows".to_owned()) };
    let (features, classes) = (usize::from(*features) % 100 + 1, u32::from(*classes) % 4 + 1);
    let value = |pair: &[u8; 2]| f32::from(i16::from_le_bytes(*pair)) / 4096.0;
    let mut values: Vec<f32> = values.as_chunks().0.iter().map(value).collect();
    values.truncate(values.len() / features * features);
    let labels: Vec<u32> = (0..(values.len() / features) as u32).map(|row| row % classes).collect();
    let grid = FixedPoint::uniform(features, 4.0).map_err(refused)?;
    let scale = f64::from(grid.exponents()[0]).exp2();
    let whole: Vec<i64> = values.iter().map(|&value| (f64::from(value) * scale).round_ties_even() as i64).collect();
    let whole: Vec<i64> = whole.into_iter().map(|value| value.clamp(-32767, 32767)).collect();
    let mut expected = Vec::new();
    for (i, j) in (0..features).flat_map(|i| (0..=i).map(move |j| (i, j))) {
        expected.push(whole.chunks_exact(features).map(|row| row[i] * row[j]).sum::<i64>());
    }
    let mut statistics = Statistics::exact(grid);
    statistics.add(&values, &labels).map_err(refused)?;
    let file = statistics.to_bytes().map_err(refused)?;
    let file = SafeTensors::deserialize(&file).map_err(refused)?;
    let found = file.tensor("gram").map_err(refused)?;
    let found: Vec<i64> = found.data().as_chunks().0.iter().map(|&word| i64::from_le_bytes(word)).collect();
    assert_eq!(found, expected, "{features} features, {} rows", labels.len());
    Ok(())
}

/// Every level of this processor embeds two images as loops in `f64` do.
pub(crate) fn kernels(bytes: &[u8]) -> Reading {
    let (input, net) = input_and_net(bytes)?;
    let plan = net.plan(input).map_err(refused)?;
    if plan.multiply_adds() > 400_000 || plan.peak_activation_bytes() > 1 << 17 {
        return Err("too slow".to_owned());
    }
    let seed = Seed(bytes.len() as u64);
    let prior = Prior::draw(&plan, WeightInit::KaimingNormal, seed).map_err(refused)?;
    let mut pixels = vec![0.0; 2 * input.elements().unwrap_or(0) as usize];
    seed.stream("images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    let images = Images::new(input, &pixels).map_err(refused)?;
    let expected = embed(&prior, None, images);
    let largest = expected.iter().fold(1.0, |largest: f64, value| largest.max(value.abs()));
    for (precision, tolerance) in [(Precision::F32, Tolerance::F32), (Precision::Bf16, Tolerance::BF16)] {
        for level in Level::available(precision).into_iter().chain([Level::tiles_in_plain_code()]) {
            let mut encoder = CpuEngine::at(level, precision).load(&prior).map_err(refused)?;
            encoder.freeze(None).map_err(refused)?;
            let rows = encoder.embed(images).map_err(refused)?;
            let near = |(&row, value): (&f32, &f64)| (f64::from(row) - value).abs() <= tolerance.embedding * largest;
            assert!(rows.len() == expected.len() && rows.iter().zip(&expected).all(near), "{level} {precision}: {net}");
        }
    }
    Ok(())
}
