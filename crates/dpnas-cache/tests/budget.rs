//! The byte budget and the order in which entries are evicted.

mod common;

use common::{UNLIMITED, entry_path, files, folder, get, key, open, store};
use dpnas_cache::{Cache, Matrix};
use proptest::prelude::*;

/// Bytes of an entry of one column without its rows.
fn overhead() -> u64 {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    store(&cache, &key(0), 1, &[]).unwrap();
    cache.used().unwrap()
}

fn put(cache: &Cache, index: usize, rows: usize) -> Matrix {
    store(cache, &key(index), 1, &vec![index as f32; rows]).unwrap()
}

#[test]
fn the_least_recently_used_entry_is_evicted_first() {
    let folder = folder();
    let cache = open(&folder, 3 * (overhead() + 40));
    (0..3).for_each(|index| drop(put(&cache, index, 10)));
    assert!(get(&cache, &key(0)).is_some());
    put(&cache, 3, 10);
    assert_eq!(get(&cache, &key(1)), None);
    put(&cache, 4, 10);
    assert_eq!(get(&cache, &key(2)), None);
    assert!([0, 3, 4].iter().all(|&index| get(&cache, &key(index)).is_some()));
}

#[test]
fn entries_used_at_the_same_time_are_evicted_by_name() {
    let folder = folder();
    let cache = open(&folder, 4 * overhead());
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for index in 0..4 {
        put(&cache, index, 0);
        let file = std::fs::File::options().append(true).open(entry_path(&folder, &key(index))).unwrap();
        file.set_modified(time).unwrap();
    }
    let mut expected = files(&folder);
    put(&cache, 4, 0);
    expected.remove(0);
    let kept: Vec<String> = files(&folder).into_iter().filter(|name| !name.starts_with(&key(4).hash())).collect();
    assert_eq!(kept, expected);
}

#[test]
fn a_matrix_stays_readable_after_its_entry_was_evicted() {
    let folder = folder();
    let cache = open(&folder, overhead() + 4_000_000);
    let written = put(&cache, 1, 1_000_000);
    let read = get(&cache, &key(1)).unwrap();
    put(&cache, 2, 1_000_000);
    assert_eq!(get(&cache, &key(1)), None);
    cache.clear().unwrap();
    drop(cache);
    assert!(files(&folder).is_empty());
    drop(folder);
    for matrix in [written, read] {
        assert_eq!(matrix.values::<f32>().unwrap(), vec![1.0; 1_000_000]);
    }
}

#[test]
fn a_matrix_larger_than_the_budget_is_returned_but_not_kept_and_evicts_nothing() {
    let folder = folder();
    let cache = open(&folder, overhead() + 40);
    put(&cache, 0, 10);
    assert_eq!(put(&cache, 1, 11).values::<f32>().unwrap(), [1.0; 11]);
    assert_eq!(get(&cache, &key(1)), None);
    assert!(get(&cache, &key(0)).is_some());
    assert_eq!(files(&folder).len(), 1);
}

#[test]
fn a_replaced_entry_does_not_count_against_its_replacement() {
    let folder = folder();
    let cache = open(&folder, 2 * (overhead() + 40));
    (0..2).for_each(|index| drop(put(&cache, index, 10)));
    put(&cache, 1, 10);
    assert!(get(&cache, &key(0)).is_some() && get(&cache, &key(1)).is_some());
}

#[test]
fn opening_with_a_smaller_budget_evicts_down_to_it() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    (0..4).for_each(|index| drop(put(&cache, index, 10)));
    let smaller = open(&folder, 2 * (overhead() + 40));
    assert_eq!(smaller.used().unwrap(), 2 * (overhead() + 40));
    assert!(get(&smaller, &key(2)).is_some() && get(&smaller, &key(3)).is_some());
    open(&folder, 0);
    assert_eq!(cache.used().unwrap(), 0);
}

#[test]
fn other_files_in_the_folder_are_neither_counted_nor_removed() {
    let folder = folder();
    let names = ["notes.txt", "x.embedding", &("A".repeat(64) + ".embedding"), &("0".repeat(65) + ".embedding")];
    for name in names {
        std::fs::write(folder.path().join(name), "mine").unwrap();
    }
    let cache = open(&folder, 0);
    put(&cache, 0, 1);
    cache.clear().unwrap();
    assert_eq!(cache.used().unwrap(), 0);
    assert_eq!(files(&folder).len(), names.len());
}

#[test]
fn clearing_removes_every_entry_and_disturbs_no_writer() {
    let folder = folder();
    let cache = open(&folder, UNLIMITED);
    (0..3).for_each(|index| drop(put(&cache, index, 10)));
    let mut writer = cache.create(&key(3), 1).unwrap();
    writer.push(&[1.0]).unwrap();
    cache.clear().unwrap();
    assert_eq!(cache.used().unwrap(), 0);
    writer.finish().unwrap();
    assert_eq!(get(&cache, &key(3)).unwrap().values::<f32>().unwrap(), [1.0]);
}

#[test]
fn in_memory_nothing_is_used_and_nothing_is_kept() {
    let cache = Cache::in_memory();
    let matrix = put(&cache, 1, 2);
    assert_eq!((cache.used().unwrap(), get(&cache, &key(1))), (0, None));
    cache.clear().unwrap();
    assert_eq!(matrix.values::<f32>().unwrap(), [1.0; 2]);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Put { index: usize, rows: usize },
    Get { index: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = (0usize..6, 0usize..60).prop_map(|(index, rows)| Step::Put { index, rows });
    let get = (0usize..6).prop_map(|index| Step::Get { index });
    prop::collection::vec(prop_oneof![put, get], 1..24)
}

/// Entries as a list, least recently used first.
struct Model {
    budget: u64,
    entries: Vec<(usize, u64)>,
}

impl Model {
    fn put(&mut self, index: usize, bytes: u64) {
        if bytes > self.budget {
            return;
        }
        self.entries.retain(|entry| entry.0 != index);
        while self.used() + bytes > self.budget {
            self.entries.remove(0);
        }
        self.entries.push((index, bytes));
    }

    fn get(&mut self, index: usize) -> bool {
        let position = self.entries.iter().position(|entry| entry.0 == index);
        if let Some(position) = position {
            let entry = self.entries.remove(position);
            self.entries.push(entry);
        }
        position.is_some()
    }

    fn used(&self) -> u64 {
        self.entries.iter().map(|entry| entry.1).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn two_handles_keep_what_a_list_in_the_order_of_use_keeps(steps in steps(), budget in 0u64..1500) {
        let folder = folder();
        let handles = [open(&folder, budget), open(&folder, budget)];
        let (overhead, mut model) = (overhead(), Model { budget, entries: Vec::new() });
        for (cache, step) in handles.iter().cycle().zip(steps) {
            match step {
                Step::Put { index, rows } => {
                    model.put(index, overhead + 4 * rows as u64);
                    prop_assert_eq!(put(cache, index, rows).rows(), rows);
                }
                Step::Get { index } => {
                    prop_assert_eq!(get(cache, &key(index)).is_some(), model.get(index));
                }
            }
            prop_assert_eq!(cache.used().unwrap(), model.used());
            prop_assert!(model.used() <= budget);
        }
    }
}
