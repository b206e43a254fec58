//! Matrices of bf16: half of the room, the same numbers, no rounding.

mod common;

use common::{UNLIMITED, bits, folder, get, key, open, store, store_as};
use dpnas_cache::{Cache, CacheError, DType};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_matrix_of_bf16_is_read_back_bit_for_bit_as_either_type(
        halves in prop::collection::vec(any::<u16>(), 1..400),
        columns in 1usize..20,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let columns = columns.min(halves.len());
        let rows = halves.len() / columns;
        let halves = &halves[..rows * columns];
        let values: Vec<f32> = halves.iter().map(|&bits| f32::from_bits(u32::from(bits) << 16)).collect();
        let picks: Vec<usize> = picks.iter().map(|pick| pick.index(rows)).collect();
        let expected: Vec<u16> = picks.iter().flat_map(|&row| halves[row * columns..][..columns].to_vec()).collect();
        let (folder, dtype) = (folder(), DType::Bf16);
        let cache = open(&folder, UNLIMITED);
        let written = store_as(dtype, &cache, &key(0), columns, &values).unwrap();
        let found = get(&cache, &key(0)).unwrap();
        prop_assert_eq!(found.dtype(), dtype);
        let unnamed = store_as(dtype, &Cache::in_unnamed_files(folder.path()), &key(0), columns, &values).unwrap();
        let memory = store_as(dtype, &Cache::in_memory(), &key(0), columns, &values).unwrap();
        for matrix in [written, found, unnamed, memory] {
            prop_assert_eq!((matrix.rows(), matrix.columns()), (rows, columns));
            prop_assert_eq!(matrix.values::<u16>().unwrap(), halves);
            prop_assert_eq!(matrix.values::<f32>(), None);
            let (mut half, mut wide) = (vec![0_u16; expected.len()], vec![0.0_f32; expected.len()]);
            matrix.read_rows(&picks, &mut half).unwrap();
            matrix.read_rows(&picks, &mut wide).unwrap();
            prop_assert_eq!(&half, &expected);
            prop_assert!(bits(&wide).iter().copied().eq(expected.iter().map(|&half| u32::from(half) << 16)));
        }
    }
}

#[test]
fn rows_that_are_longer_than_a_piece_are_widened_whole() {
    let folder = folder();
    let values: Vec<f32> = (0..30_000).map(|i| (i % 256) as f32).collect();
    let matrix = store_as(DType::Bf16, &open(&folder, UNLIMITED), &key(0), 10_000, &values).unwrap();
    let mut rows = vec![0.0_f32; 20_000];
    matrix.read_rows(&[1, 2], &mut rows).unwrap();
    assert_eq!(rows, values[10_000..]);
}

#[test]
fn an_entry_of_bf16_takes_half_of_the_bytes() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    let size = |dtype| {
        store_as(dtype, &cache, &key(0), 10, &[1.5; 10_000]).unwrap();
        cache.used().unwrap()
    };
    let (wide, half) = (size(DType::F32), size(DType::Bf16));
    assert!(wide.abs_diff(half) == 20_000, "{wide} {half}");
}

#[test]
fn a_number_that_is_no_bf16_is_refused_and_the_writer_goes_on() {
    let folder = folder();
    for cache in [open(&folder, UNLIMITED), Cache::in_unnamed_files(folder.path()), Cache::in_memory()] {
        let mut writer = cache.create_of(DType::Bf16, &key(0), 2).unwrap();
        let error = writer.push(&[1.0, 0.1]).unwrap_err();
        assert!(matches!(error, CacheError::Inexact { dtype: DType::Bf16, .. }), "{error:?}");
        assert_eq!(error.to_string(), "0.1 cannot be stored as bf16 without a change: store the matrix as f32");
        writer.push(&[1.0, -0.0]).unwrap();
        let matrix = writer.finish().unwrap();
        assert_eq!(matrix.values::<u16>().unwrap(), [0x3f80, 0x8000], "1 and -0");
    }
}

#[test]
fn matrices_of_different_types_differ() {
    let of = |dtype| store_as(dtype, &Cache::in_memory(), &key(0), 1, &[1.0]).unwrap();
    assert_ne!(of(DType::F32), of(DType::Bf16));
    assert_eq!(of(DType::Bf16), of(DType::Bf16));
    assert_eq!(store(&Cache::in_memory(), &key(0), 1, &[1.0]).unwrap(), of(DType::F32));
}
