//! The tile in instructions of x86-64.
#![allow(unsafe_code, reason = "vector loads and stores")]

use super::{PANEL, TILE, Tile};
use std::arch::x86_64::*;
use std::array;

/// As [`super::Level::tile`], with products of pairs of 16-bit numbers that add to 32-bit sums.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn avx512_vnni(a: &[i32], first: usize, b: &[i32], tile: &mut Tile) {
    let mut sums = [[_mm512_setzero_si512(); PANEL / 16]; TILE];
    for (a, b) in a.as_chunks::<PANEL>().0.iter().zip(b.as_chunks::<PANEL>().0) {
        // SAFETY: a panel has 48 numbers.
        let b: [__m512i; PANEL / 16] = array::from_fn(|i| unsafe { _mm512_loadu_si512(b.as_ptr().add(16 * i).cast()) });
        for (sums, &a) in sums.iter_mut().zip(&a[first..first + TILE]) {
            let a = _mm512_set1_epi32(a);
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = _mm512_dpwssd_epi32(*sum, a, b);
            }
        }
    }
    for (out, sums) in tile.iter_mut().zip(sums) {
        for (i, sum) in sums.into_iter().enumerate() {
            // SAFETY: a row of the tile has 48 numbers.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(16 * i).cast(), sum) };
        }
    }
}

/// As [`super::Level::tile`], two rows of the tile at a time, as the registers hold no more.
#[target_feature(enable = "avx2")]
pub(super) fn avx2(a: &[i32], first: usize, b: &[i32], tile: &mut Tile) {
    for (rows, out) in tile.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let first = first + 2 * rows;
        let mut sums = [[_mm256_setzero_si256(); PANEL / 8]; 2];
        for (a, b) in a.as_chunks::<PANEL>().0.iter().zip(b.as_chunks::<PANEL>().0) {
            let a = [_mm256_set1_epi32(a[first]), _mm256_set1_epi32(a[first + 1])];
            for i in 0..PANEL / 8 {
                // SAFETY: a panel has 48 numbers.
                let b = unsafe { _mm256_loadu_si256(b.as_ptr().add(8 * i).cast()) };
                for (sums, a) in sums.iter_mut().zip(a) {
                    sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(a, b));
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            for (i, sum) in sums.into_iter().enumerate() {
                // SAFETY: a row of the tile has 48 numbers.
                unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(8 * i).cast(), sum) };
            }
        }
    }
}
