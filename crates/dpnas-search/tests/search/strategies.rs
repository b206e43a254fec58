//! Spaces to test with.

use dpnas_search::{ImageShape, Space, SpaceSettings};
use proptest::prelude::*;
use proptest::sample::subsequence;

/// Some of `values`, in their order.
fn some_of(values: &'static [u32], most: usize) -> impl Strategy<Value = Vec<u32>> {
    subsequence(values, 1..=most)
}

/// Settings in which every rule of the space matters, for images of up to 24 pixels.
pub(crate) fn settings() -> impl Strategy<Value = SpaceSettings> {
    let layers = (
        some_of(&[1, 2, 3, 4, 5, 7, 9], 4),
        some_of(&[1, 2, 3, 8, 16], 3),
        1u32..8,
        1u32..4,
        some_of(&[1, 2, 3, 4, 5], 3),
        some_of(&[1, 2, 3, 4], 3),
        some_of(&[2, 4, 8], 3),
    );
    let depths = (1u32..4, 0u32..4, 0u32..3);
    let limits = (1u32..24, prop_oneof![1u64..64, 64u64..4096]);
    (layers, depths, limits).prop_map(|(layers, (min_depth, more, max_fc), (max_final_map, max_features))| {
        let (kernels, features, large_kernel, large_kernel_stride, pool_sizes, pool_strides, fc_sizes) = layers;
        SpaceSettings {
            kernels,
            features,
            large_kernel,
            large_kernel_stride,
            pool_sizes,
            pool_strides,
            fc_sizes,
            min_depth,
            max_depth: min_depth + more,
            max_fc,
            max_final_map,
            max_features,
        }
    })
}

/// Spaces of [`settings`].
pub(crate) fn spaces() -> impl Strategy<Value = Space> {
    (settings(), 1u32..4, 2u32..24, 2u32..12)
        .prop_filter_map("no first layer fits", |(settings, channels, size, classes)| {
            settings.check(ImageShape::square(channels, size), classes).ok()
        })
}

/// A preset on gray images of `size` × `size` pixels, in 10 classes.
pub(crate) fn preset(name: &str, size: u32) -> Space {
    SpaceSettings::named(name).unwrap().check(ImageShape::square(1, size), 10).unwrap()
}

/// A space of two nets: one or two 1×1 convolutions with one feature on a 3×3 image.
pub(crate) fn two_nets() -> Space {
    let settings = SpaceSettings {
        kernels: vec![1],
        features: vec![1],
        pool_sizes: vec![2],
        pool_strides: vec![2],
        min_depth: 1,
        max_depth: 2,
        ..SpaceSettings::paper()
    };
    settings.check(ImageShape::square(1, 3), 2).unwrap()
}
