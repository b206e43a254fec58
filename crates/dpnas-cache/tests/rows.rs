//! Reading some rows at a time, and matrices in files without a name.

mod common;

use common::{UNLIMITED, bits, files, folder, get, key, open, store};
use dpnas_cache::Cache;
use proptest::prelude::*;
use std::io::ErrorKind;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn rows_read_from_a_file_are_the_rows_that_were_pushed(
        values in prop::collection::vec(any::<u32>(), 1..400),
        columns in 1usize..20,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        consecutive: bool,
    ) {
        let columns = columns.min(values.len());
        let rows = values.len() / columns;
        let values: Vec<f32> = values[..rows * columns].iter().map(|&bits| f32::from_bits(bits)).collect();
        let mut picks: Vec<usize> = picks.iter().map(|pick| pick.index(rows)).collect();
        if consecutive {
            picks.sort_unstable();
        }
        let expected: Vec<f32> = picks.iter().flat_map(|&row| values[row * columns..][..columns].to_vec()).collect();
        let folder = folder();
        let cache = open(&folder, UNLIMITED);
        let unnamed = Cache::in_unnamed_files(folder.path().join("more"));
        let written = store(&cache, &key(0), columns, &values).unwrap();
        let found = get(&cache, &key(0)).unwrap();
        let matrices =
            [written, found, store(&unnamed, &key(0), columns, &values).unwrap(), store(&Cache::in_memory(), &key(0), columns, &values).unwrap()];
        for matrix in matrices {
            let mut out = vec![0.0_f32; expected.len()];
            matrix.read_rows(&picks, &mut out).unwrap();
            prop_assert_eq!(bits(&out), bits(&expected));
            prop_assert_eq!(bits(matrix.values::<f32>().unwrap()), bits(&values));
        }
    }
}

#[test]
fn rows_can_be_read_after_the_entry_was_evicted() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    let matrix = store(&cache, &key(0), 2, &[1.0, 2.0, 3.0, 4.0]).unwrap();
    cache.clear().unwrap();
    let mut out = [0.0_f32; 2];
    matrix.read_rows(&[1], &mut out).unwrap();
    assert_eq!(out, [3.0, 4.0]);
    assert_eq!(matrix.read_rows(&[2], &mut out).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn an_entry_larger_than_the_budget_can_be_read_and_leaves_nothing_behind() {
    let folder = folder();
    let cache = open(&folder, 100);
    let values: Vec<f32> = (0..1000u16).map(f32::from).collect();
    let matrix = store(&cache, &key(0), 10, &values).unwrap();
    assert!(files(&folder).is_empty());
    let mut out = [0.0_f32; 20];
    matrix.read_rows(&[99, 0], &mut out).unwrap();
    assert_eq!((out[0], out[10]), (990.0, 0.0));
}

#[test]
fn a_file_without_a_name_is_not_found_and_not_seen() {
    let folder = folder();
    let cache = Cache::in_unnamed_files(folder.path().join("deep/down"));
    let matrix = store(&cache, &key(0), 3, &[1.0, 2.0, 3.0]).unwrap();
    assert_eq!(get(&cache, &key(0)), None);
    assert_eq!(cache.used().unwrap(), 0);
    assert_eq!(matrix.values::<f32>().unwrap(), [1.0, 2.0, 3.0]);
    #[cfg(unix)]
    assert!(files(folder.path().join("deep/down")).is_empty());
    assert!(cache.is_on_disk() && open(&folder, 0).is_on_disk() && !Cache::in_memory().is_on_disk());
}

#[test]
fn room_that_cannot_be_had_is_an_error_after_which_the_writer_goes_on() {
    let mut writer = Cache::in_memory().create(&key(0), 2).unwrap();
    let error = writer.reserve(usize::MAX / 4).unwrap_err();
    assert!(matches!(error, dpnas_cache::CacheError::OutOfMemory { .. }), "{error}");
    writer.reserve(1).unwrap();
    writer.push(&[1.0, 2.0]).unwrap();
    assert_eq!(writer.finish().unwrap().values::<f32>().unwrap(), [1.0, 2.0]);
    let folder = folder();
    open(&folder, UNLIMITED).create(&key(0), 2).unwrap().reserve(usize::MAX).unwrap();
}
