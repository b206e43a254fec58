//! AVX-512: thirty-two registers of sixteen sums; bf16 by products of pairs.

use super::lanes::Lanes;
use super::level::{Loops, Shape, compiled, level};
use super::maps::{self, MapJob, RowsJob, StatsJob};
use super::matrix_loops::{self, FinishJob, GatherJob};
use super::peak;
use super::tile::{self, Job};
use super::winograd_loops::{self, TileJob};
use half::bf16;
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// AVX-512 on stored numbers of type `E`.
#[derive(Clone, Copy)]
pub(super) struct Avx512<E>(PhantomData<E>);

/// The parts that both number types share.
macro_rules! sums {
    () => {
        type Sums = __m512;
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn splat(value: f32) -> __m512 {
            // SAFETY: the processor has AVX-512, as the trait demands.
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512 {
            // SAFETY: the caller gives sixteen readable sums.
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(to: *mut f32, sums: __m512) {
            // SAFETY: the caller gives room for sixteen sums.
            unsafe { _mm512_storeu_ps(to, sums) }
        }

        #[inline(always)]
        unsafe fn affine(sums: __m512, scale: __m512, shift: __m512) -> __m512 {
            // SAFETY: the processor has AVX-512, as the trait demands.
            unsafe { _mm512_fmadd_ps(sums, scale, shift) }
        }

        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            // SAFETY: the processor has AVX-512, as the trait demands.
            unsafe { _mm512_max_ps(a, b) }
        }

        #[inline(always)]
        unsafe fn transpose(square: &mut [__m512]) {
            // SAFETY: the processor has AVX-512, as the trait demands.
            unsafe { transpose(square) }
        }
    };
}

/// Transposes sixteen vectors: pairs of vectors by one lane, by two, by four and by eight.
///
/// # Safety
/// The processor has AVX-512.
#[inline(always)]
unsafe fn transpose(square: &mut [__m512]) {
    // SAFETY: the processor has AVX-512.
    unsafe {
        for pair in square.chunks_exact_mut(2) {
            let (a, b) = (pair[0], pair[1]);
            (pair[0], pair[1]) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        }
        for four in square.chunks_exact_mut(4) {
            let [a, b, c, d] = [0, 1, 2, 3].map(|index: usize| _mm512_castps_pd(four[index]));
            let pairs = [
                _mm512_unpacklo_pd(a, c),
                _mm512_unpackhi_pd(a, c),
                _mm512_unpacklo_pd(b, d),
                _mm512_unpackhi_pd(b, d),
            ];
            for (place, pair) in four.iter_mut().zip(pairs) {
                *place = _mm512_castpd_ps(pair);
            }
        }
        // Each quarter of a vector is now transposed: [4 i + j] has column j of rows 4 i … 4 i + 3, of each quarter.
        for column in 0..4 {
            let [a, b, c, d] = [0, 4, 8, 12].map(|first: usize| square[first + column]);
            let (ab, cd) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d));
            let (odd_ab, odd_cd) = (_mm512_shuffle_f32x4::<0xDD>(a, b), _mm512_shuffle_f32x4::<0xDD>(c, d));
            square[column] = _mm512_shuffle_f32x4::<0x88>(ab, cd);
            square[column + 4] = _mm512_shuffle_f32x4::<0x88>(odd_ab, odd_cd);
            square[column + 8] = _mm512_shuffle_f32x4::<0xDD>(ab, cd);
            square[column + 12] = _mm512_shuffle_f32x4::<0xDD>(odd_ab, odd_cd);
        }
    }
}

impl Lanes for Avx512<f32> {
    type Scalar = f32;
    type Weights = __m512;
    type Input = __m512;
    sums!();

    #[inline(always)]
    unsafe fn weights(from: *const f32) -> __m512 {
        // SAFETY: the caller gives sixteen readable weights.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn input(from: *const f32) -> __m512 {
        // SAFETY: the caller gives a readable number.
        unsafe { _mm512_set1_ps(*from) }
    }

    #[inline(always)]
    unsafe fn multiply_add(sums: __m512, input: __m512, weights: __m512) -> __m512 {
        // SAFETY: the processor has AVX-512, as the trait demands.
        unsafe { _mm512_fmadd_ps(input, weights, sums) }
    }

    #[inline(always)]
    unsafe fn read(from: *const f32) -> __m512 {
        // SAFETY: the caller gives sixteen readable numbers.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn write(to: *mut f32, sums: __m512) {
        // SAFETY: the caller gives room for sixteen numbers.
        unsafe { _mm512_storeu_ps(to, sums) }
    }
}

impl Lanes for Avx512<bf16> {
    type Scalar = bf16;
    type Weights = __m512bh;
    type Input = __m512bh;
    sums!();

    #[inline(always)]
    unsafe fn weights(from: *const bf16) -> __m512bh {
        // SAFETY: the caller gives thirty-two readable weights; both types are 64 bytes of any value.
        unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(from.cast())) }
    }

    #[inline(always)]
    unsafe fn input(from: *const bf16) -> __m512bh {
        // SAFETY: the caller gives two readable numbers; both types are 64 bytes of any value.
        unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn multiply_add(sums: __m512, input: __m512bh, weights: __m512bh) -> __m512 {
        // SAFETY: the processor has AVX512_BF16, as the trait demands.
        unsafe { _mm512_dpbf16_ps(sums, weights, input) }
    }

    #[inline(always)]
    unsafe fn read(from: *const bf16) -> __m512 {
        // SAFETY: the caller gives sixteen readable numbers.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())))) }
    }

    #[inline(always)]
    unsafe fn write(to: *mut bf16, sums: __m512) {
        // SAFETY: the caller gives room for sixteen numbers; both types are 32 bytes of any value.
        unsafe {
            let rounded = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(sums));
            _mm256_storeu_si256(to.cast(), rounded);
        }
    }
}

level!(
    Avx512<f32>,
    target_feature(enable = "avx512f,avx512bw,avx512vl"),
    24,
    [(6, 4), (8, 3), (8, 2), (14, 1)],
    [
        (4, 4, 4),
        (8, 3, 4),
        (8, 2, 4),
        (12, 1, 4),
        (3, 4, 9),
        (9, 3, 9),
        (9, 2, 9),
        (9, 1, 9),
        (4, 4, 16),
        (8, 3, 16),
        (8, 2, 16),
        (16, 1, 16)
    ]
);
level!(
    Avx512<bf16>,
    target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16"),
    24,
    [(6, 4), (8, 3), (8, 2), (14, 1)],
    [
        (4, 4, 4),
        (8, 3, 4),
        (8, 2, 4),
        (12, 1, 4),
        (3, 4, 9),
        (9, 3, 9),
        (9, 2, 9),
        (9, 1, 9),
        (4, 4, 16),
        (8, 3, 16),
        (8, 2, 16),
        (16, 1, 16)
    ]
);
