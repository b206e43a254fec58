//! Resizing against Pillow and against a naive second implementation.

use dpnas_data::ImageSet;
use dpnas_grammar::ImageShape;
use proptest::prelude::*;

fn set(shape: ImageShape, pixels: Vec<f32>) -> ImageSet {
    let images = pixels.len() / shape.elements().unwrap() as usize;
    ImageSet::new(shape, pixels, vec![0; images], vec!["a".to_owned()]).unwrap()
}

fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() < 1e-6, "pixel {at}: {a} instead of {b}");
    }
}

/// Weights of the source pixels for one target pixel: a triangle around its centre, as wide as the larger pixel.
fn weights(from: u32, to: u32, target: u32) -> Vec<f64> {
    let scale = f64::from(from) / f64::from(to);
    let centre = (f64::from(target) + 0.5) * scale;
    let weight = |source: u32| (1.0 - ((f64::from(source) + 0.5 - centre) / scale.max(1.0)).abs()).max(0.0);
    let weights: Vec<f64> = (0..from).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Every target pixel as a double sum over the whole source plane.
fn naive(plane: &[f32], height: u32, width: u32, size: u32) -> Vec<f32> {
    let mut out = Vec::new();
    for y in 0..size {
        let rows = weights(height, size, y);
        for x in 0..size {
            let columns = weights(width, size, x);
            let row_sum = |row: &[f32]| row.iter().zip(&columns).map(|(&pixel, w)| f64::from(pixel) * w).sum::<f64>();
            let sum: f64 = plane.chunks_exact(width as usize).zip(&rows).map(|(row, w)| w * row_sum(row)).sum();
            out.push(sum as f32);
        }
    }
    out
}

#[test]
#[rustfmt::skip]
fn values_are_those_of_pillow() {
    // Made by pillow.py beside this file.
    let pixels = (0..20).map(|i| (7 * i % 20) as f32 / 20.0).collect();
    let image = set(ImageShape { channels: 1, height: 4, width: 5 }, pixels);
    assert_close(image.resized(2).unwrap().pixels(), &[0.3922078, 0.4298701, 0.5448052, 0.5694805]);
    assert_close(
        image.resized(3).unwrap().pixels(),
        &[0.2464286, 0.4694445, 0.3035714, 0.5607143, 0.4361111, 0.5892857, 0.475, 0.6361111, 0.575],
    );
    assert_close(
        image.resized(8).unwrap().pixels(),
        &[
            0.0, 0.153125, 0.371875, 0.590625, 0.496875, 0.090625, 0.246875, 0.4,
            0.1875, 0.23125, 0.309375, 0.528125, 0.5125, 0.2625, 0.29375, 0.3375,
            0.5625, 0.3875, 0.184375, 0.403125, 0.54375, 0.60625, 0.3875, 0.2125,
            0.6875, 0.5125, 0.29375, 0.35625, 0.496875, 0.715625, 0.5125, 0.3375,
            0.5625, 0.60625, 0.6375, 0.3875, 0.371875, 0.590625, 0.66875, 0.7125,
            0.4375, 0.590625, 0.7625, 0.5125, 0.41875, 0.48125, 0.684375, 0.8375,
            0.3125, 0.465625, 0.66875, 0.73125, 0.6375, 0.3875, 0.559375, 0.7125,
            0.25, 0.403125, 0.621875, 0.840625, 0.746875, 0.340625, 0.496875, 0.65,
        ],
    );
}

#[test]
fn the_same_size_is_the_identity_without_a_copy() {
    let image = set(ImageShape::square(2, 3), (0..36).map(|i| i as f32 / 36.0).collect());
    let same = image.resized(3).unwrap();
    assert_eq!(same, image);
    assert!(std::ptr::eq(same.pixels(), image.pixels()));
}

#[test]
fn halving_a_checkerboard_gives_gray_and_not_stripes() {
    let pixels = (0..256).map(|i| ((i / 16 + i) % 2) as f32).collect();
    let half = set(ImageShape::square(1, 16), pixels).resized(8).unwrap();
    let inner = half.pixels().chunks_exact(8).skip(1).take(6).flat_map(|row| &row[1..7]);
    inner.for_each(|pixel| assert!((pixel - 0.5).abs() < 1e-6, "{pixel}"));
}

#[test]
fn an_empty_set_takes_the_new_shape() {
    let empty = set(ImageShape::square(3, 4), vec![]).resized(10_000).unwrap();
    assert_eq!((empty.len(), empty.shape()), (0, ImageShape::square(3, 10_000)));
}

/// Images of any small shape with any pixels.
fn images() -> impl Strategy<Value = ImageSet> {
    (1usize..3, 1u32..4, 1u32..20, 1u32..20).prop_flat_map(|(images, channels, height, width)| {
        let shape = ImageShape { channels, height, width };
        let len = images * shape.elements().unwrap() as usize;
        let pixel = prop_oneof![1 => Just(0.0), 1 => Just(1.0), 3 => 0.0f32..=1.0];
        prop::collection::vec(pixel, len).prop_map(move |pixels| set(shape, pixels))
    })
}

proptest! {
    #[test]
    fn every_plane_is_resized_like_a_naive_double_sum(images in images(), size in 1u32..24) {
        let ImageShape { height, width, .. } = images.shape();
        let planes = images.pixels().chunks_exact((height * width) as usize);
        let expected: Vec<f32> = planes.flat_map(|plane| naive(plane, height, width, size)).collect();
        let resized = images.resized(size).unwrap();
        assert_close(resized.pixels(), &expected);
        prop_assert!(resized.pixels().iter().all(|pixel| (0.0..=1.0).contains(pixel)));
        prop_assert_eq!(resized.labels(), images.labels());
    }

    #[test]
    fn a_constant_image_stays_constant(value in 0.0f32..=1.0, height in 1u32..40, width in 1u32..40, size in 1u32..40) {
        let shape = ImageShape { channels: 1, height, width };
        let resized = set(shape, vec![value; (height * width) as usize]).resized(size).unwrap();
        prop_assert!(resized.pixels().iter().all(|&pixel| pixel == value), "{:?}", resized.pixels());
    }
}
