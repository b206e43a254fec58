//! Whatever lies where an entry should be: it is a miss, it is removed, and nothing panics.

mod common;

use common::{UNLIMITED, entry_path, files, folder, get, key, open, store};
use proptest::prelude::*;
use std::fs;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The bytes of a small entry of `key(0)`.
fn entry() -> Vec<u8> {
    let folder = folder();
    store(&open(&folder, UNLIMITED), &key(0), 3, &[1.0, -2.0, 3.5, 0.0, f32::MAX, 1e-40]).unwrap();
    fs::read(entry_path(&folder, &key(0))).unwrap()
}

/// Puts `bytes` where the entry of `key(0)` should be, and checks that they are a miss, once and for all.
fn assert_miss(bytes: &[u8], what: impl std::fmt::Display) {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    fs::write(entry_path(&folder, &key(0)), bytes).unwrap();
    assert_eq!(get(&cache, &key(0)), None, "{what} was served");
    assert!(files(&folder).is_empty(), "{what} was not removed");
}

#[test]
fn every_truncation_is_a_miss() {
    let entry = entry();
    for length in 0..entry.len() {
        assert_miss(&entry[..length], format_args!("an entry cut to {length} bytes"));
    }
}

#[test]
fn every_flipped_byte_is_a_miss() {
    let entry = entry();
    for position in 0..entry.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = entry.clone();
            damaged[position] ^= flip;
            assert_miss(&damaged, format_args!("an entry with byte {position} changed by {flip:#x}"));
        }
    }
}

#[test]
fn bytes_after_the_end_are_a_miss() {
    for extra in [1, 4, 12, 64, 4096] {
        let mut longer = entry();
        longer.resize(longer.len() + extra, 0);
        assert_miss(&longer, format_args!("an entry with {extra} bytes more"));
    }
}

#[test]
fn an_undamaged_entry_at_the_place_of_another_key_is_a_miss() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    store(&cache, &key(0), 1, &[1.0]).unwrap();
    fs::rename(entry_path(&folder, &key(0)), entry_path(&folder, &key(1))).unwrap();
    assert_eq!(get(&cache, &key(1)), None);
    assert!(files(&folder).is_empty());
}

#[test]
fn a_removed_entry_can_be_written_again() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    fs::write(entry_path(&folder, &key(0)), "rubbish").unwrap();
    assert_eq!(get(&cache, &key(0)), None);
    let matrix = store(&cache, &key(0), 1, &[1.0]).unwrap();
    assert_eq!(get(&cache, &key(0)), Some(matrix));
}

#[test]
fn a_folder_in_the_place_of_an_entry_is_a_miss() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    fs::create_dir(entry_path(&folder, &key(0))).unwrap();
    assert_eq!(get(&cache, &key(0)), None);
    assert_eq!(cache.used().unwrap(), 0);
    assert!(store(&cache, &key(0), 1, &[1.0]).is_err());
    assert_eq!(files(&folder).len(), 1);
}

#[cfg(unix)]
#[test]
fn a_link_is_a_miss_and_its_target_is_left_alone() {
    let (folder, elsewhere) = (folder(), folder());
    let cache = open(&folder, UNLIMITED);
    let target = elsewhere.path().join("target");
    fs::write(&target, entry()).unwrap();
    std::os::unix::fs::symlink(&target, entry_path(&folder, &key(0))).unwrap();
    assert_eq!(get(&cache, &key(0)), None);
    assert!(files(&folder).is_empty() && target.exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_bytes_are_a_miss(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        assert_miss(&bytes, "rubbish");
    }

    #[test]
    fn arbitrary_bytes_after_a_genuine_beginning_are_a_miss(
        kept in 8usize..64,
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut entry = entry();
        entry.truncate(kept);
        entry.extend(&bytes);
        assert_miss(&entry, "rubbish behind a genuine beginning");
    }
}

/// Collects the text of warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Text<'a>(&'a mut String);
        impl Visit for Text<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                *self.0 += &format!("{field}={value:?} ");
            }
        }
        let mut text = String::new();
        event.record(&mut Text(&mut text));
        self.0.lock().unwrap().push(text);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_damaged_entry_is_logged_with_its_path_and_the_reason() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    let mut damaged = entry();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(entry_path(&folder, &key(0)), damaged).unwrap();
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || assert_eq!(get(&cache, &key(0)), None));
    let warnings = warnings.0.lock().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains(&key(0).hash()) && warnings[0].contains("its data is damaged"), "{warnings:?}");
}
