//! Computations with vector instructions that have to agree with plain loops.

use crate::Reading;
use crate::text::input_and_net;
use dpnas::heads::{FixedPoint, Statistics};
use dpnas::kernels::{CpuEngine, Level, Precision};
use dpnas::prior::conformance::{Reference, Tolerance};
use safetensors::SafeTensors;

/// The Gram matrix of rows of features: the first byte says how many, the second how many classes, the others are values.
pub(crate) fn gram(bytes: &[u8]) -> Reading {
    let [features, classes, values @ ..] = bytes else { return Err("no rows".to_owned()) };
    let (features, classes) = (usize::from(*features) % 100 + 1, u32::from(*classes) % 4 + 1);
    let value = |pair: &[u8; 2]| f32::from(i16::from_le_bytes(*pair)) / 4096.0;
    let mut values: Vec<f32> = values.as_chunks().0.iter().map(value).collect();
    values.truncate(values.len() / features * features);
    let labels: Vec<u32> = (0..(values.len() / features) as u32).map(|row| row % classes).collect();
    let grid = FixedPoint::uniform(features, 4.0).map_err(|error| error.to_string())?;
    let scale = f64::from(grid.exponents()[0]).exp2();
    let whole: Vec<i64> = values.iter().map(|&value| (f64::from(value) * scale).round_ties_even() as i64).collect();
    let whole: Vec<i64> = whole.into_iter().map(|value| value.clamp(-32767, 32767)).collect();
    let mut expected = Vec::new();
    for (i, j) in (0..features).flat_map(|i| (0..=i).map(move |j| (i, j))) {
        expected.push(whole.chunks_exact(features).map(|row| row[i] * row[j]).sum::<i64>());
    }
    let mut statistics = Statistics::exact(grid);
    statistics.add(&values, &labels).map_err(|error| error.to_string())?;
    let file = statistics.to_bytes().map_err(|error| error.to_string())?;
    let file = SafeTensors::deserialize(&file).map_err(|error| error.to_string())?;
    let found = file.tensor("gram").map_err(|error| error.to_string())?;
    let found: Vec<i64> = found.data().as_chunks().0.iter().map(|&word| i64::from_le_bytes(word)).collect();
    assert_eq!(found, expected, "{features} features, {} rows", labels.len());
    Ok(())
}

/// Every level of this processor on a small plan, against loops in `f64`.
pub(crate) fn kernels(bytes: &[u8]) -> Reading {
    let (input, net) = input_and_net(bytes)?;
    let plan = net.plan(input).map_err(|error| error.to_string())?;
    if plan.multiply_adds() > 400_000 || plan.peak_activation_bytes() > 1 << 17 {
        return Err("too slow".to_owned());
    }
    let reference = Reference::new(&plan, bytes.len() as u64)?;
    for (precision, tolerance) in [(Precision::F32, Tolerance::F32), (Precision::Bf16, Tolerance::BF16)] {
        for level in Level::available(precision).into_iter().chain([Level::tiles_in_plain_code()]) {
            let agrees = reference.check(&CpuEngine::at(level, precision), tolerance);
            agrees.unwrap_or_else(|broken| panic!("{level} {precision}: {broken}"));
        }
    }
    Ok(())
}
