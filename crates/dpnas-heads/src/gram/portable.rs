//! The tile in plain code.

use super::{PANEL, TILE, Tile};

/// As [`super::Level::tile`].
pub(super) fn tile(a: &[i32], first: usize, b: &[i32], tile: &mut Tile) {
    *tile = [[0; PANEL]; TILE];
    for (a, b) in a.chunks_exact(PANEL).zip(b.chunks_exact(PANEL)) {
        for (sums, &a) in tile.iter_mut().zip(&a[first..]) {
            let (low, high) = (i32::from(a as i16), a >> 16);
            for (sum, &b) in sums.iter_mut().zip(b) {
                *sum += low * i32::from(b as i16) + high * (b >> 16);
            }
        }
    }
}
