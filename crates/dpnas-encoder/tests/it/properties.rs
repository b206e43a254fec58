//! Properties of the encoder over random small plans, on both CPU backends.

use burn::tensor::backend::Backend;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use dpnas_encoder::{BurnEngine, Encoder};
use dpnas_grammar::{ImageShape, Layer, Net, Plan};
use dpnas_prior::{Calibration, Encode, Engine, EngineError, Images, Prior, WeightInit};
use dpnas_seed::Seed;
use proptest::prelude::*;
use std::num::NonZeroUsize;

const EPSILON: f64 = 1e-4;

/// Encoder layers of every type, with odd channel counts, strides, paddings and overlapping pools.
fn layers() -> impl Strategy<Value = Layer> {
    prop_oneof![
        4 => (1u32..10, 1u32..6, 1u32..3, 0u32..3)
            .prop_map(|(features, kernel, stride, padding)| Layer::Conv { features, kernel, stride, padding }),
        2 => (1u32..10).prop_map(|features| Layer::Residual { features }),
        2 => (1u32..4, 1u32..4).prop_map(|(size, stride)| Layer::MaxPool { size, stride }),
    ]
}

/// Plans that fit their input: layers that do not fit are left out.
fn plans() -> impl Strategy<Value = Plan> {
    let shapes =
        (prop_oneof![Just(1u32), Just(3)], 3u32..11).prop_map(|(channels, size)| ImageShape::square(channels, size));
    (shapes, prop::collection::vec(layers(), 1..6)).prop_filter_map("no layer fits", |(shape, layers)| {
        let plan = |layers: &[Layer]| {
            let layers = layers.iter().copied().chain([Layer::Softmax { classes: 10 }]).collect();
            Net::new(layers).ok()?.plan(shape).ok()
        };
        let mut fitting = Vec::new();
        for layer in layers {
            fitting.push(layer);
            if plan(&fitting).is_none() {
                fitting.pop();
            }
        }
        plan(&fitting).filter(|plan| !plan.stages().is_empty())
    })
}

fn prior(plan: &Plan, seed: u64) -> Prior {
    Prior::draw(plan, WeightInit::KaimingNormal, Seed(seed)).unwrap()
}

fn pixels(plan: &Plan, images: usize, seed: u64) -> Vec<f32> {
    let mut pixels = vec![0.0; images * plan.input().elements().unwrap() as usize];
    Seed(seed).stream("test images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
    pixels
}

fn load<B: Backend>(prior: &Prior) -> Box<dyn Encode> {
    BurnEngine::<B>::new("test", B::Device::default()).load(prior).unwrap()
}

/// Calibrates on the first images and embeds all, `chunk` at once.
fn embed(encoder: &mut dyn Encode, images: Images<'_>, calibrating: usize, chunk: usize) -> (Calibration, Vec<f32>) {
    let chunk = NonZeroUsize::new(chunk).unwrap();
    let first = images.chunks(NonZeroUsize::new(calibrating).unwrap()).next().unwrap();
    let calibration = encoder.calibrate(first, EPSILON, chunk).unwrap();
    let mut rows = Vec::new();
    let sink = |block: &[f32]| -> Result<(), EngineError> {
        rows.extend_from_slice(block);
        Ok(())
    };
    encoder.encode_in_chunks(images, chunk, sink).unwrap();
    (calibration, rows)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn chunks_do_not_matter<B: Backend>(plan: &Plan, seed: u64, chunk: usize) -> Result<(), TestCaseError> {
    let (prior, pixels) = (prior(plan, seed), pixels(plan, 7, seed));
    let images = Images::new(plan.input(), &pixels).unwrap();
    let (whole_calibration, whole) = embed(&mut *load::<B>(&prior), images, 5, 512);
    for chunk in [1, chunk] {
        let (calibration, rows) = embed(&mut *load::<B>(&prior), images, 5, chunk);
        prop_assert_eq!(&calibration, &whole_calibration, "chunk {}", chunk);
        prop_assert_eq!(bits(&rows), bits(&whole), "chunk {}", chunk);
    }
    Ok(())
}

fn shapes_are_as_planned<B: Backend>(plan: &Plan, seed: u64) -> Result<(), TestCaseError> {
    let pixels = pixels(plan, 2, seed);
    let rows = load::<B>(&prior(plan, seed)).encode(Images::new(plan.input(), &pixels).unwrap()).unwrap();
    prop_assert_eq!(rows.len() as u64, 2 * plan.features());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_real_output_has_the_planned_shape(plan in plans(), seed: u64) {
        shapes_are_as_planned::<Flex>(&plan, seed)?;
        shapes_are_as_planned::<NdArray>(&plan, seed)?;
    }

    #[test]
    fn no_bit_depends_on_the_chunk(plan in plans(), seed: u64, chunk in 2usize..7) {
        chunks_do_not_matter::<Flex>(&plan, seed, chunk)?;
        chunks_do_not_matter::<NdArray>(&plan, seed, chunk)?;
    }

    #[test]
    fn both_backends_compute_the_same_function(plan in plans(), seed: u64) {
        let (prior, pixels) = (prior(&plan, seed), pixels(&plan, 5, seed));
        let images = Images::new(plan.input(), &pixels).unwrap();
        // One calibration for both: a channel that is almost constant would amplify a difference in the last bit.
        let (calibration, flex) = embed(&mut *load::<Flex>(&prior), images, 5, 3);
        let mut ndarray = load::<NdArray>(&prior);
        ndarray.freeze(Some((&calibration, EPSILON))).unwrap();
        let rows = ndarray.encode(images).unwrap();
        let largest = flex.iter().fold(1.0f32, |largest, x| largest.max(x.abs()));
        for (a, b) in flex.iter().zip(&rows) {
            prop_assert!((a - b).abs() <= 1e-4 * largest, "{} beside {}", a, b);
        }
    }

    #[test]
    fn threads_do_not_matter(plan in plans(), seed: u64) {
        let (prior, pixels) = (prior(&plan, seed), pixels(&plan, 5, seed));
        let images = Images::new(plan.input(), &pixels).unwrap();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| embed(&mut *load::<Flex>(&prior), images, 5, 3))
        };
        prop_assert_eq!(run(1), run(3));
    }
}

/// A training-mode pass with the whole set as one batch gives every norm's output mean 0 and variance 1 (less ε).
#[test]
fn calibrated_channels_have_mean_zero_and_variance_one_before_the_relu() {
    // A residual block ends without activation and its input norm is the last one before it: its statistics are those
    // of the block's input, which the first convolution's norm has just rectified.
    let plan = "[C(6,3,1,1,1), C(6,3,1,1,0), SM(10)]".parse::<Net>().unwrap().plan(ImageShape::square(1, 8)).unwrap();
    let (prior, pixels) = (prior(&plan, 3), pixels(&plan, 16, 3));
    let images = Images::new(plan.input(), &pixels).unwrap();
    let encoder = load::<Flex>(&prior);
    let moments = encoder.measure(images, EPSILON, NonZeroUsize::new(4).unwrap()).unwrap();
    let input = moments[1][0].stats();
    for (mean, variance) in input.mean.iter().zip(&input.variance) {
        // relu(z) of a standardised z: mean² + variance = E[relu(z)²] ≤ E[z²] = 1, and about half of it.
        let second = mean * mean + variance;
        assert!((0.2..0.9).contains(&second) && *mean > 0.1, "{mean} {variance}");
    }
}

#[test]
fn wrong_input_is_an_error_and_not_a_panic() {
    let plan = "[C(6,3,1,1,1), SM(10)]".parse::<Net>().unwrap().plan(ImageShape::square(1, 8)).unwrap();
    let other = "[C(5,3,1,1,1), SM(10)]".parse::<Net>().unwrap().plan(ImageShape::square(1, 8)).unwrap();
    let mut encoder = load::<Flex>(&prior(&plan, 0));
    let wrong = [0.0; 3 * 64];
    let images = Images::new(ImageShape::square(3, 8), &wrong).unwrap();
    let error = encoder.encode(images).unwrap_err();
    assert_eq!(error.to_string(), "the encoder was planned for images of 1x8x8, these are 3x8x8");
    let none = Images::new(plan.input(), &[]).unwrap();
    let chunk = NonZeroUsize::MIN;
    assert!(matches!(encoder.calibrate(none, EPSILON, chunk), Err(EngineError::EmptyCalibrationSet)));
    let pixels = pixels(&plan, 2, 0);
    let images = Images::new(plan.input(), &pixels).unwrap();
    let calibration = load::<Flex>(&prior(&other, 0)).calibrate(images, EPSILON, chunk).unwrap();
    let error = encoder.freeze(Some((&calibration, EPSILON))).unwrap_err();
    assert!(matches!(error, EngineError::WrongCalibration { stage: 0 }), "{error}");
}

#[test]
fn an_encoder_on_tensors_and_its_engine_give_the_same_rows() {
    let plan = "[C(6,3,1,1,1), P(2,2,0,0), SM(10)]".parse::<Net>().unwrap().plan(ImageShape::square(1, 8)).unwrap();
    let (prior, pixels) = (prior(&plan, 1), pixels(&plan, 3, 1));
    let images = Images::new(plan.input(), &pixels).unwrap();
    let mut encoder = Encoder::<Flex>::new(&prior, &Default::default());
    encoder.calibrate(images, EPSILON, NonZeroUsize::MIN).unwrap();
    let data = burn::tensor::TensorData::new(pixels.clone(), [3, 1, 8, 8]);
    let rows = encoder.encode(burn::tensor::Tensor::from_data(data, encoder.device())).unwrap();
    assert_eq!(rows.dims(), [3, 96]);
    let rows: Vec<f32> = rows.into_data().into_vec().unwrap();
    assert_eq!(rows, embed(&mut *load::<Flex>(&prior), images, 3, 2).1);
}
