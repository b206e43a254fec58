//! Sets of images: their checks, parts and fingerprints.

use dpnas_data::{ColorMode, DataError, DataSet, ImageSet, LimitOrder, LoadConfig, Source, Warning};
use dpnas_grammar::ImageShape;
use proptest::prelude::*;

fn names(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("class {class}")).collect()
}

/// Four images of one row and two columns, with labels 0, 1, 2, 0.
fn four() -> ImageSet {
    let pixels = vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
    ImageSet::new(ImageShape { channels: 1, height: 1, width: 2 }, pixels, vec![0, 1, 2, 0], names(4)).unwrap()
}

#[test]
fn a_set_gives_its_parts() {
    let set = four();
    assert_eq!((set.len(), set.is_empty(), set.classes()), (4, false, 4));
    assert_eq!(set.class_names()[3], "class 3"); // a class without images
    assert_eq!(set.image(1), [0.2, 0.3]);
    assert_eq!(set.images(1..3), [0.2, 0.3, 0.4, 0.5]);
    assert!(set.images(4..4).is_empty());
}

#[test]
fn a_selection_keeps_the_order_of_its_indices() {
    let part = four().select(&[2, 0, 2]);
    assert_eq!(part.pixels(), [0.4, 0.5, 0.0, 0.1, 0.4, 0.5]);
    assert_eq!(part.labels(), [2, 0, 2]);
    assert_eq!(part.classes(), 4);
    assert!(four().select(&[]).is_empty());
}

#[test]
fn the_first_images_are_at_most_all() {
    assert_eq!(four().first(2), four().select(&[0, 1]));
    assert_eq!(four().first(9), four());
    assert!(four().first(0).is_empty());
}

#[test]
fn a_data_set_changes_both_parts_but_limits_only_training() {
    let data = DataSet::new("four", four(), four());
    let limited = data.limit_train(3, LimitOrder::First);
    assert_eq!((limited.train.labels(), limited.test.len()), (&[0, 1, 2][..], 4));
    let changed = data.resized(6).unwrap().to_channels(ColorMode::Rgb).unwrap();
    assert_eq!(changed.name, "four");
    for set in [changed.train, changed.test] {
        assert_eq!(set.shape(), ImageShape::square(3, 6));
        assert_eq!(set.pixels().len(), 4 * 3 * 36);
    }
}

#[test]
fn transposing_swaps_rows_and_columns_of_each_channel() {
    let shape = ImageShape { channels: 2, height: 2, width: 3 };
    let pixels: Vec<f32> = (0..12).map(|i| i as f32 / 16.0).collect();
    let set = ImageSet::new(shape, pixels, vec![0], names(1)).unwrap();
    let transposed = set.transposed();
    assert_eq!(transposed.shape().to_string(), "2x3x2");
    let sixteenths: Vec<f32> = transposed.pixels().iter().map(|pixel| pixel * 16.0).collect();
    assert_eq!(sixteenths, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0, 6.0, 9.0, 7.0, 10.0, 8.0, 11.0]);
    assert_eq!(transposed.transposed(), set);
}

#[test]
fn classes_without_training_images_and_stretched_images_are_warned_of_once() {
    let data = DataSet::new("four", four(), four());
    let untrained = |class: &str, more, test_images| Warning::Untrained { class: class.to_owned(), more, test_images };
    assert_eq!(data.warnings(), [untrained("class 3", 0, 0)]);
    let limited = data.limit_train(1, LimitOrder::First);
    assert_eq!(limited.warnings(), [untrained("class 1", 2, 2)]);
    let text = |data: &DataSet| data.warnings().iter().map(Warning::to_string).collect::<Vec<_>>();
    assert_eq!(
        text(&limited.resized(5).unwrap()),
        [
            "images that are not square are stretched to 5x5 pixels: 5",
            "class class 1 (and 2 more) has no training image, but 2 test images"
        ]
    );
    assert_eq!(text(&data.resized(5).unwrap().resized(6).unwrap()).len(), 2);
}

#[test]
fn a_number_of_pixels_that_does_not_fit_is_an_error() {
    let error = ImageSet::new(ImageShape::square(1, 2), vec![0.0; 9], vec![0, 0], names(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "9 pixels do not make 2 images of shape 1x2x2, one for each label; give images × channels × height × width pixels"
    );
}

#[test]
fn a_pixel_outside_of_0_to_1_is_an_error() {
    for value in [-0.001, 1.001, f32::NAN, f32::INFINITY, 255.0] {
        let pixels = vec![0.0, 1.0, 0.5, 0.5, 0.5, value, 0.5, 0.5];
        let error = ImageSet::new(ImageShape::square(1, 2), pixels, vec![0, 0], names(1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("pixel 1 of image 1 is {value}; expected a number from 0 to 1: scale the pixels first")
        );
    }
}

#[test]
fn a_label_without_a_class_is_an_error() {
    for label in [2, 256, u32::MAX] {
        let error = ImageSet::new(ImageShape::square(1, 1), vec![0.0; 2], vec![1, label], names(2)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "image 1 has label {label}, but there are 2 classes; expected a label below 2: give a name for every class"
            )
        );
    }
}

#[test]
fn shapes_that_cannot_be_held_are_an_error() {
    for (channels, size) in [(0, 2), (1, 0), (1, 32_769), (u32::MAX, u32::MAX)] {
        let error = ImageSet::new(ImageShape::square(channels, size), vec![], vec![], vec![]).unwrap_err();
        assert!(matches!(error, DataError::BadShape { .. }), "{error}");
    }
    assert_eq!(
        four().resized(0).unwrap_err().to_string(),
        "images of shape 1x0x0 cannot be held: each number must be at least 1 and their product at most 1073741824"
    );
}

#[test]
fn resizing_beyond_the_limit_is_an_error() {
    assert_eq!(
        four().resized(20_000).unwrap_err().to_string(),
        "4 images of shape 1x20000x20000 are too many to hold in memory (limit: 1073741824 pixels); use fewer or \
         smaller images"
    );
}

#[test]
fn a_fingerprint_is_64_hexadecimal_digits() {
    let text = four().fingerprint().to_string();
    assert!(text.len() == 64 && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{text}");
}

/// Images of 1×2×3 pixels with labels below 5.
fn set() -> impl Strategy<Value = ImageSet> {
    prop::collection::vec((0u32..5, [(); 6].map(|()| 0.0f32..1.0)), 1..6).prop_map(|images| {
        let (labels, pixels): (Vec<_>, Vec<_>) = images.into_iter().unzip();
        ImageSet::new(ImageShape { channels: 1, height: 2, width: 3 }, pixels.concat(), labels, names(5)).unwrap()
    })
}

proptest! {
    #[test]
    fn the_fingerprint_changes_with_any_pixel(set in set(), at: prop::sample::Index) {
        let mut pixels = set.pixels().to_vec();
        let pixel = at.get(&pixels).next_up(); // the smallest change there is
        pixels[at.index(set.pixels().len())] = pixel;
        let other = ImageSet::new(set.shape(), pixels, set.labels().to_vec(), names(5)).unwrap();
        prop_assert_ne!(other.fingerprint(), set.fingerprint());
    }

    #[test]
    fn the_fingerprint_changes_with_any_label(set in set(), at: prop::sample::Index, by in 1u32..5) {
        let mut labels = set.labels().to_vec();
        let label = &mut labels[at.index(set.len())];
        *label = (*label + by) % 5;
        let other = ImageSet::new(set.shape(), set.pixels().to_vec(), labels, names(5)).unwrap();
        prop_assert_ne!(other.fingerprint(), set.fingerprint());
    }

    #[test]
    fn the_fingerprint_changes_with_the_shape(set in set()) {
        let mut seen = vec![set.fingerprint()];
        for text in ["1x3x2", "2x1x3", "3x1x2", "1x1x6", "6x1x1"] {
            let (pixels, labels) = (set.pixels().to_vec(), set.labels().to_vec());
            let other = ImageSet::new(text.parse().unwrap(), pixels, labels, names(5)).unwrap().fingerprint();
            prop_assert!(!seen.contains(&other), "{text}");
            seen.push(other);
        }
    }

    #[test]
    fn the_fingerprint_changes_with_the_number_of_images(set in set()) {
        prop_assert_ne!(set.first(set.len() - 1).fingerprint(), set.fingerprint());
    }

    #[test]
    fn the_fingerprint_is_that_of_the_content_and_not_of_the_class_names(set in set()) {
        let (pixels, labels) = (set.pixels().to_vec(), set.labels().to_vec());
        let other = ImageSet::new(set.shape(), pixels, labels, names(9)).unwrap();
        prop_assert_eq!(other.fingerprint(), set.fingerprint());
        let all: Vec<usize> = (0..set.len()).collect();
        prop_assert_eq!(set.select(&all).fingerprint(), set.fingerprint());
    }
}

#[test]
fn chosen_classes_are_numbered_in_their_order_and_limited_afterwards() {
    let all = Source::Digits.load().unwrap();
    let config = LoadConfig { classes: Some(vec![7, 2]), limit_train: Some(50), ..LoadConfig::standard() };
    let some = Source::Digits.load_with(&config).unwrap();
    assert_eq!((some.train.len(), some.train.class_names()), (50, &["7".to_owned(), "2".to_owned()][..]));
    let count = |set: &ImageSet, label: u32| set.labels().iter().filter(|&&found| found == label).count();
    assert_eq!((count(&some.train, 0), count(&some.train, 1)), (25, 25));
    assert_eq!((count(&some.test, 0), count(&some.test, 1)), (count(&all.test, 7), count(&all.test, 2)));
    let first = (0..all.test.len()).find(|&image| [2, 7].contains(&all.test.labels()[image])).unwrap();
    assert_eq!(some.test.image(0), all.test.image(first));
    let error = |classes: &[u32]| all.of_classes(classes).unwrap_err().to_string();
    assert_eq!(error(&[0, 10]), "class 10 is not there: the data set has 10 classes, numbered from 0");
    assert_eq!(error(&[3, 3]), "class 3 is named twice: the data set has 10 classes, numbered from 0");
}
