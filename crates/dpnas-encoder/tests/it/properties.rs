//! Properties of the encoder over random small plans, on both CPU backends.

use crate::plans::plans;
use burn::tensor::backend::Backend;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use dpnas_encoder::{BurnEngine, Encoder};
use dpnas_grammar::{ImageShape, Net, Plan};
use dpnas_prior::{Calibration, Encode, EncodeExt, Engine, EngineError, Images, Measure, Prior, WeightInit};
use dpnas_seed::Seed;
use proptest::prelude::*;
use std::num::NonZeroUsize;

const EPSILON: f64 = 1e-4;
const CHUNK: NonZeroUsize = NonZeroUsize::new(4).unwrap();

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

/// Calibrates on all images and embeds them.
fn calibrate_and_embed(encoder: &mut dyn Encode, images: Images<'_>) -> (Calibration, Vec<f32>) {
    let calibration = encoder.calibrate(&mut Measure::new(images, EPSILON, CHUNK)).unwrap();
    (calibration, encoder.embed(images).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn both_backends_compute_the_same_function(plan in plans(), seed: u64) {
        let (prior, pixels) = (prior(&plan, seed), pixels(&plan, 5, seed));
        let images = Images::new(plan.input(), &pixels).unwrap();
        // One calibration for both: a channel that is almost constant would amplify a difference in the last bit.
        let (calibration, flex) = calibrate_and_embed(&mut *load::<Flex>(&prior), images);
        let mut ndarray = load::<NdArray>(&prior);
        ndarray.freeze(Some((&calibration, EPSILON))).unwrap();
        let rows = ndarray.embed(images).unwrap();
        let largest = flex.iter().fold(1.0f32, |largest, x| largest.max(x.abs()));
        for (a, b) in flex.iter().zip(&rows) {
            prop_assert!((a - b).abs() <= 1e-4 * largest, "{} beside {}", a, b);
        }
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
    let moments = encoder.measure(Measure::new(images, EPSILON, CHUNK)).unwrap();
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
    let error = encoder.embed(images).unwrap_err();
    assert_eq!(error.to_string(), "the encoder was planned for images of 1x8x8, these are 3x8x8");
    let none = Images::new(plan.input(), &[]).unwrap();
    let error = encoder.calibrate(&mut Measure::new(none, EPSILON, CHUNK)).unwrap_err();
    assert_eq!(error, EngineError::EmptyCalibrationSet);
    let pixels = pixels(&plan, 2, 0);
    let images = Images::new(plan.input(), &pixels).unwrap();
    let (calibration, _) = calibrate_and_embed(&mut *load::<Flex>(&prior(&other, 0)), images);
    let error = encoder.freeze(Some((&calibration, EPSILON))).unwrap_err();
    assert!(matches!(error, EngineError::WrongCalibration { stage: 0 }), "{error}");
}

#[test]
fn an_encoder_on_tensors_and_its_engine_give_the_same_rows() {
    let plan = "[C(6,3,1,1,1), P(2,2,0,0), SM(10)]".parse::<Net>().unwrap().plan(ImageShape::square(1, 8)).unwrap();
    let (prior, pixels) = (prior(&plan, 1), pixels(&plan, 3, 1));
    let images = Images::new(plan.input(), &pixels).unwrap();
    let mut encoder = Encoder::<Flex>::new(&prior, &Default::default());
    let moments = encoder.measure(&Measure::new(images, EPSILON, CHUNK)).unwrap();
    encoder.freeze(Some((&Calibration::from_moments(&moments), EPSILON))).unwrap();
    let data = burn::tensor::TensorData::new(pixels.clone(), [3, 1, 8, 8]);
    let rows = encoder.encode(burn::tensor::Tensor::from_data(data, encoder.device())).unwrap();
    assert_eq!(rows.dims(), [3, 96]);
    let rows: Vec<f32> = rows.into_data().into_vec().unwrap();
    assert_eq!(rows, calibrate_and_embed(&mut *load::<Flex>(&prior), images).1);
}

#[test]
fn an_engine_can_be_shared_between_threads_and_an_encoder_moves_to_one() {
    fn is_shared<T: Send + Sync + ?Sized>() {}
    fn moves<T: Send + ?Sized>() {}
    is_shared::<BurnEngine<Flex>>();
    is_shared::<dyn Engine>();
    moves::<dyn Encode>();
}

#[test]
fn an_engine_is_named_by_device_precision_and_version() {
    assert_eq!(BurnEngine::<Flex>::new("flex f32", Default::default()).name(), "flex f32 v2");
}
