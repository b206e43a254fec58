//! Loops over whole maps, with checked arguments.

use super::Compute;
use super::maps::{MapJob, RowsJob, StatsJob};
use crate::layout::{CHANNEL_BLOCK, Layout};
use crate::level::Level;
use crate::stats::ImageStats;
use std::marker::PhantomData;

/// Max-pools the first `images` images, windows of `size` every `stride` pixels.
///
/// # Panics
/// If the maps do not hold the images, or do not fit each other.
pub(crate) fn pool<E: Compute>(
    level: Level,
    (input, from): (&[E], Layout),
    (output, to): (&mut [E], Layout),
    images: usize,
    (size, stride): (usize, usize),
) {
    assert!(to.size > 0 && size > 0 && (to.size - 1) * stride + size <= from.size, "windows within the map");
    let job = checked((input, from), (output, to), images);
    // SAFETY: the job was checked, and a level is only made where the processor has its instructions.
    unsafe { E::pool(level.kind(), &MapJob { size, stride, ..job }) }
}

/// Scales, shifts (or neither) and rectifies the first `images` images.
///
/// # Panics
/// If the maps do not hold the images, or do not fit each other or the scale and shift.
pub(crate) fn rectify<E: Compute>(
    level: Level,
    (input, from): (&[E], Layout),
    (output, to): (&mut [E], Layout),
    images: usize,
    affine: Option<(&[f32], &[f32])>,
) {
    assert!(from.size == to.size, "maps of one size");
    let job = checked((input, from), (output, to), images);
    let affine = affine.map(|(scale, shift)| {
        assert!(scale.len() >= to.stride && shift.len() >= to.stride, "a scale and a shift for each channel");
        (scale.as_ptr(), shift.as_ptr())
    });
    // SAFETY: the job was checked, and a level is only made where the processor has its instructions.
    unsafe { E::rectify(level.kind(), &MapJob { affine, ..job }) }
}

/// Reduces each channel of the first `images` images.
///
/// # Panics
/// If the map does not hold the images.
pub(crate) fn stats<E: Compute>(level: Level, (map, layout): (&[E], Layout), images: usize) -> ImageStats {
    assert!(
        layout.stride.is_multiple_of(CHANNEL_BLOCK) && layout.stride >= layout.channels,
        "whole blocks of channels"
    );
    assert!(map.len() >= images * layout.image(), "the map holds the images");
    let mut stats = ImageStats::zeros(layout, images);
    let (means, deviations) = stats.places();
    let job = StatsJob {
        map: map.as_ptr(),
        layout,
        images,
        means: means.as_mut_ptr(),
        deviations: deviations.as_mut_ptr(),
        borrowed: PhantomData,
    };
    // SAFETY: the job was checked, and a level is only made where the processor has its instructions.
    unsafe { E::stats(level.kind(), &job) };
    stats
}

/// Writes the features of images, `[n, channels · height · width]`; −0 becomes 0.
///
/// # Panics
/// If the map does not hold as many images as there are rows.
pub(crate) fn emit<E: Compute>(level: Level, (map, from): (&[E], Layout), rows: &mut [f32]) {
    let places = places(from);
    let job = between(map.as_ptr().cast_mut(), map.len(), from, &places, rows.as_mut_ptr(), rows.len());
    // SAFETY: the job was checked, the map is only read, and a level is only made where the processor has its instructions.
    unsafe { E::emit(level.kind(), &job) }
}

/// Copies images, `[n, channels · height · width]`, to the pixels of a map. Does not write the border.
///
/// # Panics
/// If the map does not hold as many images as there are rows.
pub(crate) fn fill<E: Compute>(level: Level, rows: &[f32], (map, to): (&mut [E], Layout)) {
    if !to.stride.is_multiple_of(CHANNEL_BLOCK) {
        return fill_dense(rows, (map, to));
    }
    let places = places(to);
    let job = between(map.as_mut_ptr(), map.len(), to, &places, rows.as_ptr().cast_mut(), rows.len());
    // SAFETY: the job was checked, the rows are only read, and a level is only made where the processor has its
    // instructions.
    unsafe { E::fill(level.kind(), &job) }
}

/// As [`fill`], to pixels without padding.
fn fill_dense<E: Compute>(rows: &[f32], (map, to): (&mut [E], Layout)) {
    for (index, image) in rows.chunks_exact((to.pixels() * to.channels).max(1)).enumerate() {
        for y in 0..to.size {
            let start = to.inside(index, y, 0);
            let row = &mut map[start..start + to.size * to.stride];
            for (channel, plane) in image.chunks_exact(to.pixels()).enumerate() {
                let values = &plane[y * to.size..][..to.size];
                for (pixel, value) in row.chunks_exact_mut(to.stride).zip(values) {
                    pixel[channel] = E::from_f32(*value);
                }
            }
        }
    }
}

fn between<E>(
    map: *mut E,
    map_len: usize,
    layout: Layout,
    places: &[usize],
    rows: *mut f32,
    rows_len: usize,
) -> RowsJob<'_, E> {
    let images = rows_len / (layout.pixels() * layout.channels).max(1);
    assert!(
        layout.stride >= layout.channels && layout.stride.is_multiple_of(CHANNEL_BLOCK),
        "whole blocks of channels"
    );
    assert!(map_len >= images * layout.image(), "the map holds the images");
    RowsJob { map, layout, places, images, rows }
}

/// Position of each pixel of the first image.
fn places(layout: Layout) -> Vec<usize> {
    (0..layout.pixels()).map(|pixel| layout.inside(0, pixel / layout.size, pixel % layout.size)).collect()
}

fn checked<'a, E>(
    (input, from): (&'a [E], Layout),
    (output, to): (&'a mut [E], Layout),
    images: usize,
) -> MapJob<'a, E> {
    assert!(from.stride == to.stride && to.stride.is_multiple_of(CHANNEL_BLOCK), "whole blocks of channels");
    assert!(input.len() >= images * from.image() && output.len() >= images * to.image(), "maps hold the images");
    MapJob {
        input: input.as_ptr(),
        from,
        output: output.as_mut_ptr(),
        to,
        images,
        size: 1,
        stride: 1,
        affine: None,
        borrowed: PhantomData,
    }
}
