//! What is written is what is read, bit for bit.

mod common;

use common::{UNLIMITED, bits, files, folder, get, key, open, store};
use dpnas_cache::{Cache, CacheError, Key};
use proptest::prelude::*;

/// Columns, the bit patterns of the rows (NaNs of every kind included), and the rows of each push.
fn pushes() -> impl Strategy<Value = (usize, Vec<Vec<u32>>)> {
    (1usize..40).prop_flat_map(|columns| {
        let chunk = (0usize..6).prop_flat_map(move |rows| prop::collection::vec(any::<u32>(), rows * columns));
        (Just(columns), prop::collection::vec(chunk, 0..6))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_matrix_in_any_chunking_is_read_back_bit_for_bit((columns, chunks) in pushes(), on_disk: bool) {
        let folder = folder();
        let cache = if on_disk { open(&folder, UNLIMITED) } else { Cache::in_memory() };
        let mut writer = cache.create(&key(0), columns).unwrap();
        for chunk in &chunks {
            let values: Vec<f32> = chunk.iter().copied().map(f32::from_bits).collect();
            writer.push(&values).unwrap();
        }
        let written = writer.finish().unwrap();
        let expected = chunks.concat();
        let read = get(&cache, &key(0));
        prop_assert_eq!(read.is_some(), on_disk);
        for matrix in [Some(written), read].into_iter().flatten() {
            prop_assert_eq!((matrix.rows(), matrix.columns()), (expected.len() / columns, columns));
            prop_assert_eq!(&bits(matrix.values::<f32>().unwrap()), &expected);
            for (index, row) in expected.chunks(columns).enumerate() {
                prop_assert_eq!(bits(&matrix.values::<f32>().unwrap()[index * columns..][..columns]), row);
            }
        }
        prop_assert_eq!(files(&folder).len(), usize::from(on_disk));
    }
}

#[test]
fn an_entry_larger_than_the_write_buffer_is_read_back() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    let values: Vec<f32> = (0..300_000).map(|i| i as f32).collect();
    let mut writer = cache.create(&key(0), 3).unwrap();
    for chunk in values.chunks(99_999) {
        writer.push(chunk).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(get(&open(&folder, UNLIMITED), &key(0)).unwrap().values::<f32>().unwrap(), values);
}

#[test]
fn a_missing_entry_is_a_miss_and_leaves_no_file() {
    let folder = folder();
    assert_eq!(get(&open(&folder, UNLIMITED), &key(0)), None);
    assert!(files(&folder).is_empty());
}

#[test]
fn keys_that_differ_in_one_field_hold_different_matrices() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    let keys = [Key::new(), key(0), key(0).with("seed", 8), key(0).with("precision", "f32"), key(1)];
    for (index, key) in keys.iter().enumerate() {
        store(&cache, key, 1, &[index as f32]).unwrap();
    }
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(get(&cache, key).unwrap().values::<f32>().unwrap(), [index as f32]);
    }
}

#[test]
fn a_second_matrix_under_the_same_key_replaces_the_first() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    let first = store(&cache, &key(0), 1, &[1.0]).unwrap();
    let second = store(&cache, &key(0), 2, &[2.0, 3.0]).unwrap();
    assert_eq!(get(&cache, &key(0)), Some(second));
    assert_eq!(first.values::<f32>().unwrap(), [1.0]);
    assert_eq!(files(&folder).len(), 1);
}

#[test]
fn a_dropped_writer_leaves_nothing_behind() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    let mut writer = cache.create(&key(0), 2).unwrap();
    writer.push(&[1.0, 2.0]).unwrap();
    assert_eq!(files(&folder).len(), 1);
    assert_eq!((cache.used().unwrap(), get(&cache, &key(0))), (0, None));
    drop(writer);
    assert!(files(&folder).is_empty());
}

#[test]
fn values_that_are_not_whole_rows_are_refused_and_the_writer_goes_on() {
    let folder = folder();
    for cache in [open(&folder, UNLIMITED), Cache::in_memory()] {
        let mut writer = cache.create(&key(0), 2).unwrap();
        let error = writer.push(&[1.0, 2.0, 3.0]).unwrap_err();
        assert_eq!(error.to_string(), "3 values are not whole rows of 2 columns: push a multiple of 2 values");
        writer.push(&[4.0, 5.0]).unwrap();
        assert_eq!(writer.finish().unwrap().values::<f32>().unwrap(), [4.0, 5.0]);
    }
}

#[test]
fn a_matrix_without_columns_is_refused() {
    let folder = folder();
    for cache in [open(&folder, UNLIMITED), Cache::in_memory()] {
        assert!(matches!(cache.create(&key(0), 0), Err(CacheError::NoColumns)));
    }
}

#[test]
fn a_key_that_does_not_fit_into_the_header_is_refused() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    let long = |length| Key::new().with("net", "x".repeat(length));
    store(&cache, &long(65_000), 1, &[1.0]).unwrap();
    assert_eq!(get(&cache, &long(65_000)).unwrap().values::<f32>().unwrap(), [1.0]);
    let error = cache.create(&long(65_536), 1).unwrap_err();
    assert!(matches!(error, CacheError::KeyTooLong { length: 65_537.., limit: 65_536 }), "{error}");
    assert_eq!(get(&cache, &long(65_536)), None);
    assert_eq!(files(&folder).len(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named_in_the_error() {
    let folder = folder();
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    let error = Cache::open(&path, UNLIMITED).unwrap_err();
    assert!(matches!(&error, CacheError::Io { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("cannot create the cache folder {}: ", path.display())), "{error}");
}

#[test]
fn a_folder_deleted_while_open_is_made_again() {
    let folder = folder();
    let path = folder.path().join("cache");
    let cache = open(&path, UNLIMITED);
    let matrix = store(&cache, &key(0), 1, &[1.0]).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    assert_eq!((cache.used().unwrap(), get(&cache, &key(0))), (0, None));
    store(&cache, &key(1), 1, &[2.0]).unwrap();
    assert_eq!(get(&cache, &key(1)).unwrap().values::<f32>().unwrap(), [2.0]);
    assert_eq!(matrix.values::<f32>().unwrap(), [1.0]);
}

#[test]
fn handles_and_matrices_can_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<Cache>();
    crosses::<dpnas_cache::Matrix>();
    fn moves<T: Send>() {}
    moves::<dpnas_cache::Writer>();
}
