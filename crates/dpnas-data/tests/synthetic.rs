//! Synthetic data: the numbers it promises, and that it asks for more than a linear classifier.

use dpnas_data::{DataError, DataSet, ImageSet, Source, SyntheticConfig};
use dpnas_grammar::ImageShape;
use dpnas_seed::Seed;
use proptest::prelude::*;

fn load(config: SyntheticConfig) -> DataSet {
    Source::Synthetic(config).load().unwrap()
}

/// The numbers themselves are a promise: a change here changes results and belongs into the changelog.
#[test]
fn value_stability_of_synthetic_images() {
    let data = load(SyntheticConfig { train: 3, test: 1, seed: Seed(42), ..SyntheticConfig::small() });
    assert_eq!(data.train.image(0)[100..104], [0.33132836, 0.07213251, 0.29118913, 0.2398315]);
    assert_eq!(data.train.image(2)[100..104], [0.43560958, 0.9561361, 0.9389603, 0.70451105]);
    assert_eq!(data.test.image(0)[100..104], [1.0, 0.26829624, 0.10367922, 0.23026519]);
}

#[test]
fn the_small_set_is_the_one_by_name() {
    let data = "synthetic".parse::<Source>().unwrap().load().unwrap();
    assert_eq!((data.name.as_str(), data.train.len(), data.test.len()), ("synthetic", 1000, 200));
    assert_eq!((data.train.shape(), data.train.classes()), (ImageShape::square(1, 16), 10));
    assert_eq!(data, load(SyntheticConfig::small()));
}

#[test]
fn settings_that_make_no_sense_are_errors_by_name() {
    let message = |config| Source::Synthetic(config).load().unwrap_err().to_string();
    let small = SyntheticConfig::small;
    for (config, expected) in [
        (SyntheticConfig { train: 0, ..small() }, "train is 0; expected at least 1 image"),
        (SyntheticConfig { test: 0, ..small() }, "test is 0; expected at least 1 image"),
        (SyntheticConfig { classes: 0, ..small() }, "classes is 0; expected at least 1 class"),
        (SyntheticConfig { classes: u32::MAX, ..small() }, "classes is 4294967295; expected at most 65536 classes"),
        (SyntheticConfig { noise: -0.5, ..small() }, "noise is -0.5; expected a number from 0 to 10"),
        (SyntheticConfig { noise: f32::NAN, ..small() }, "noise is NaN; expected a number from 0 to 10"),
    ] {
        assert_eq!(message(config), format!("synthetic data: {expected}"));
    }
    let wrong = |config| Source::Synthetic(config).load().unwrap_err();
    let flat = SyntheticConfig { shape: ImageShape::square(1, 0), ..small() };
    assert!(matches!(wrong(flat), DataError::BadShape { .. }));
    let endless = SyntheticConfig { train: usize::MAX, ..small() };
    assert!(matches!(wrong(endless), DataError::TooLarge { images: usize::MAX, .. }));
}

/// Small settings of every kind.
fn config() -> impl Strategy<Value = SyntheticConfig> {
    let shape =
        (1u32..4, 1u32..14, 1u32..14).prop_map(|(channels, height, width)| ImageShape { channels, height, width });
    (1usize..12, 1usize..12, 1u32..14, shape, 0.0f32..2.0, any::<u64>()).prop_map(
        |(train, test, classes, shape, noise, seed)| SyntheticConfig {
            train,
            test,
            classes,
            shape,
            noise,
            seed: Seed(seed),
        },
    )
}

proptest! {
    #[test]
    fn an_image_depends_on_its_index_and_not_on_how_many_there_are(config in config(), more in 1usize..9) {
        let data = load(config.clone());
        let larger = load(SyntheticConfig { train: config.train + more, test: config.test + more, ..config.clone() });
        prop_assert_eq!(&larger.train.first(config.train), &data.train);
        prop_assert_eq!(&larger.test.first(config.test), &data.test);
    }

    #[test]
    fn classes_are_balanced(config in config()) {
        let data = load(config.clone());
        prop_assert_eq!(data.train.classes(), config.classes);
        let expected: Vec<u32> = (0..config.train as u32).map(|index| index % config.classes).collect();
        prop_assert_eq!(data.train.labels(), expected);
    }

    #[test]
    fn seed_part_and_index_all_matter(seed: u64) {
        let make = |seed| load(SyntheticConfig { train: 20, test: 10, seed: Seed(seed), ..SyntheticConfig::small() });
        let (data, other) = (make(seed), make(seed.wrapping_add(1)));
        prop_assert_ne!(data.train.image(0), other.train.image(0));
        prop_assert_ne!(data.train.image(0), data.test.image(0));
        prop_assert_ne!(data.train.image(0), data.train.image(10)); // the same class
    }
}

#[test]
fn features_that_tolerate_shifts_do_better_than_a_linear_classifier_on_pixels() {
    let data = load(SyntheticConfig::small());
    let pixels = |set: &ImageSet, i: usize| set.image(i).iter().map(|&pixel| f64::from(pixel)).collect();
    let kernels = kernels();
    let convolved = |set: &ImageSet, i: usize| convolve(set.image(i), &kernels);
    let (linear, shift_tolerant) = (ridge_accuracy(&data, pixels), ridge_accuracy(&data, convolved));
    assert!((0.2..0.5).contains(&linear), "linear: {linear}");
    assert!(shift_tolerant > linear + 0.4, "linear: {linear}, shift-tolerant: {shift_tolerant}");
}

/// Random kernels of 5×5 weights.
fn kernels() -> Vec<Vec<f32>> {
    let kernel = |index| {
        let mut kernel = vec![0.0; 25];
        Seed(1).stream("kernel", index).fill_normal(0, &mut kernel);
        kernel
    };
    (0..64).map(kernel).collect()
}

/// The mean over a 16×16 image of each kernel's rectified response.
fn convolve(image: &[f32], kernels: &[Vec<f32>]) -> Vec<f64> {
    let response = |kernel: &[f32], at: usize| -> f32 {
        let window = (0..25).map(|i| image[at + i / 5 * 16 + i % 5] - 0.5);
        window.zip(kernel).map(|(pixel, weight)| pixel * weight).sum()
    };
    let starts: Vec<usize> = (0..144).map(|i| i / 12 * 16 + i % 12).collect();
    let mean =
        |kernel: &Vec<f32>| starts.iter().map(|&at| f64::from(response(kernel, at).max(0.0))).sum::<f64>() / 144.0;
    kernels.iter().map(mean).collect()
}

/// Test accuracy of ridge regression of the classes on features.
fn ridge_accuracy(data: &DataSet, features: impl Fn(&ImageSet, usize) -> Vec<f64>) -> f64 {
    let classes = data.train.classes() as usize;
    let rows =
        |set: &ImageSet| -> Vec<Vec<f64>> { (0..set.len()).map(|i| [features(set, i), vec![1.0]].concat()).collect() };
    let (train, test) = (rows(&data.train), rows(&data.test));
    let d = train[0].len();
    // Normal equations [XᵀX + λ | XᵀY], solved by Gauss–Jordan elimination; positive definite, so without pivoting.
    let mut system = vec![vec![0.0; d + classes]; d];
    for (row, &label) in train.iter().zip(data.train.labels()) {
        for (i, &x) in row.iter().enumerate() {
            row.iter().zip(&mut system[i]).for_each(|(&y, sum)| *sum += x * y);
            system[i][d + label as usize] += x;
        }
    }
    let ridge = 1e-4 * (0..d).map(|i| system[i][i]).sum::<f64>() / d as f64;
    (0..d).for_each(|i| system[i][i] += ridge);
    for pivot in 0..d {
        let scale = 1.0 / system[pivot][pivot];
        system[pivot].iter_mut().for_each(|x| *x *= scale);
        let pivot_row = system[pivot].clone();
        for (_, row) in system.iter_mut().enumerate().filter(|(i, _)| *i != pivot) {
            let factor = row[pivot];
            row[pivot..].iter_mut().zip(&pivot_row[pivot..]).for_each(|(x, y)| *x -= factor * y);
        }
    }
    let score = |row: &[f64], class: usize| row.iter().zip(&system).map(|(x, w)| x * w[d + class]).sum::<f64>();
    let predict = |row: &[f64]| (0..classes).max_by(|&a, &b| score(row, a).total_cmp(&score(row, b))).unwrap();
    let right = test.iter().zip(data.test.labels()).filter(|(row, label)| predict(row) == **label as usize).count();
    right as f64 / test.len() as f64
}
