//! Checksums of a stored embedding.

use crate::store::{read, snapshot, stored};
use dpnas::store::{Layout, SplitName, StoreError, StoredEmbedding};
use std::fs;
use std::path::Path;

#[test]
fn every_flipped_bit_is_found() {
    for layout in Layout::ALL {
        let (_folder, target) = stored(layout);
        let stored = |target: &Path| StoredEmbedding::open(target)?.verify();
        stored(&target).unwrap();
        for (path, bytes) in snapshot(&target).into_iter().filter(|(path, _)| path.is_file()) {
            for place in (0..bytes.len()).step_by(if path.ends_with("manifest.json") { 7 } else { 1 }) {
                let mut flipped = bytes.clone();
                flipped[place] ^= 1 << (place % 8);
                fs::write(&path, &flipped).unwrap();
                let error = stored(&target).expect_err(&format!("byte {place} of {}", path.display()));
                let damaged = matches!(&error, StoreError::Damaged { path: named, .. } if *named == path);
                // A manifest may no longer be one.
                assert!(damaged || path.ends_with("manifest.json"), "byte {place} of {}: {error}", path.display());
                if !path.ends_with("manifest.json") {
                    let read = |split| read(&target, split).map(drop);
                    assert!(SplitName::ALL.into_iter().try_for_each(read).is_err(), "read back as if it were whole");
                }
            }
            fs::write(&path, bytes).unwrap();
        }
        fs::remove_file(target.join(if layout == Layout::Safetensors { "test.safetensors" } else { "manifest.json" }))
            .unwrap();
        assert!(stored(&target).is_err());
    }
}

#[test]
fn an_embedding_without_checksums_is_read_split_by_split() {
    let (_folder, target) = stored(Layout::Npy);
    let path = target.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let (content, _) = text.split_once(",\n  \"files\"").unwrap();
    fs::write(&path, format!("{content}\n}}\n")).unwrap();
    let stored = StoredEmbedding::open(&target).unwrap();
    stored.verify().unwrap();
    fs::write(target.join("train/labels.npy"), "short").unwrap();
    assert!(matches!(stored.verify(), Err(StoreError::Damaged { .. })));
}
