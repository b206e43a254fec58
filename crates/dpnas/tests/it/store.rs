//! Storing embeddings and reading them back.

use dpnas::store::{
    EmbeddingWriter, Existing, Layout, Manifest, NormRecord, RowCounts, SplitName, StoreError, StoredEmbedding,
    StoredSplit,
};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

/// The rows and labels of train, val and test.
type Rows = [(Vec<f32>, Vec<u32>); 3];

fn manifest(layout: Layout, features: usize, classes: usize, rows: &Rows) -> Manifest {
    let [train, val, test] = rows.each_ref().map(|(_, labels)| labels.len());
    Manifest {
        layout,
        features,
        rows: RowCounts { train, val, test },
        class_names: (0..classes).map(|class| format!("class {class}")).collect(),
        ..Manifest::of(&"[C(4,3,1,1,1), SM(3)]".parse().unwrap())
    }
}

fn labels(rows: &Rows) -> [&[u32]; 3] {
    rows.each_ref().map(|(_, labels)| &labels[..])
}

/// Stores rows in blocks of `block` rows.
fn store(
    target: &Path,
    manifest: &Manifest,
    rows: &Rows,
    block: usize,
    existing: Existing,
) -> Result<PathBuf, StoreError> {
    let mut writer = EmbeddingWriter::create(target, manifest.clone(), labels(rows), existing)?;
    for (split, (values, _)) in SplitName::ALL.into_iter().zip(rows) {
        values.chunks(block * manifest.features).try_for_each(|rows| writer.push(split, rows))?;
    }
    Ok(writer.finish()?.1)
}

/// Three training rows of two of the three classes, one validation row, no test row.
fn small() -> Rows {
    [(vec![0.5, -1.0, 2.0, 3.0, -0.0, 5.0], vec![2, 0, 2]), (vec![7.0, 8.0], vec![1]), (vec![], vec![])]
}

pub(crate) fn stored(layout: Layout) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("embedding");
    store(&target, &manifest(layout, 2, 3, &small()), &small(), 2, Existing::Refuse).unwrap();
    (folder, target)
}

pub(crate) fn read(target: &Path, split: SplitName) -> Result<StoredSplit, StoreError> {
    StoredEmbedding::open(target)?.read(split)
}

/// Everything in a folder, with the bytes of its files.
pub(crate) fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(snapshot(&entry.path())),
            false => found.push((entry.path(), fs::read(entry.path()).unwrap())),
        }
    }
    found.sort();
    found
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

fn rows_of(features: usize, classes: u32, most: usize) -> impl Strategy<Value = (Vec<f32>, Vec<u32>)> {
    prop::collection::vec((prop::collection::vec(any::<f32>(), features), 0..classes), 0..=most).prop_map(|rows| {
        let (values, labels): (Vec<Vec<f32>>, Vec<u32>) = rows.into_iter().unzip();
        (values.concat(), labels)
    })
}

fn embeddings() -> impl Strategy<Value = (usize, u32, Rows)> {
    (1usize..40, 1u32..5).prop_flat_map(|(features, classes)| {
        let rows = [30, 8, 3].map(|most| rows_of(features, classes, most));
        rows.prop_map(move |rows| (features, classes, rows))
    })
}

/// The rows that a layout returns: in order, or sorted by label.
fn expected(layout: Layout, features: usize, (values, labels): &(Vec<f32>, Vec<u32>)) -> (Vec<u32>, Vec<u32>) {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    if layout == Layout::Folder {
        order.sort_by_key(|&row| labels[row]);
    }
    let bits = order.iter().flat_map(|&row| &values[row * features..][..features]).map(|value| value.to_bits());
    (bits.collect(), order.iter().map(|&row| labels[row]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn every_layout_gives_back_the_same_bits_whatever_the_blocks(
        (features, classes, rows) in embeddings(),
        block in 1usize..12,
    ) {
        let folder = tempfile::tempdir().unwrap();
        for layout in Layout::ALL {
            let target = folder.path().join(layout.to_string());
            let manifest = manifest(layout, features, classes as usize, &rows);
            store(&target, &manifest, &rows, block, Existing::Refuse).unwrap();
            let embedding = StoredEmbedding::open(&target).unwrap();
            let (files, digest) = Default::default();
            prop_assert_eq!(&Manifest { files, digest, ..embedding.manifest().clone() }, &manifest);
            for (split, rows) in SplitName::ALL.into_iter().zip(&rows) {
                let back = embedding.read(split).unwrap();
                let bits: Vec<u32> = back.values().iter().map(|value| value.to_bits()).collect();
                prop_assert_eq!((bits, back.labels().to_vec()), expected(layout, features, rows));
            }
        }
    }
}

#[test]
fn each_layout_has_the_files_it_promises() {
    let files = |layout| {
        let (_folder, target) = stored(layout);
        let found: Vec<String> = snapshot(&target)
            .iter()
            .map(|(path, _)| path.strip_prefix(&target).unwrap().display().to_string())
            .collect();
        (found, target.join("train/000001").is_dir())
    };
    let npy = ["features.npy", "labels.npy"];
    let in_splits = ["test", "train", "val"].map(|split| npy.map(|name| format!("{split}/{name}"))).concat();
    assert_eq!(files(Layout::Npy), ([vec!["manifest.json".to_owned()], in_splits].concat(), false));
    let folder = ["manifest.json", "train/000000/000000.npy", "train/000002/000000.npy", "train/000002/000001.npy"];
    let folder: Vec<String> = folder.into_iter().chain(["val/000001/000000.npy"]).map(str::to_owned).collect();
    assert_eq!(files(Layout::Folder), (folder, true), "a class without rows has a folder");
    let tensors = ["manifest.json", "test.safetensors", "train.safetensors", "val.safetensors"].map(str::to_owned);
    assert_eq!(files(Layout::Safetensors), (tensors.to_vec(), false));
}

#[test]
fn value_stability_of_the_manifest() {
    let manifest = Manifest {
        program: "dpnas 0.1.0".into(),
        weight_seed: u64::MAX,
        init: "kaiming-normal".into(),
        norm: NormRecord { mode: "calibrated".into(), epsilon: 1e-4, calibration_images: Some(1024), batch_size: None },
        engine: "flex f32".into(),
        data: "digits".into(),
        data_fingerprint: "01-02-03".into(),
        image: [1, 8, 8],
        settings: serde_json::json!({ "seed": 3 }),
        ..manifest(Layout::Npy, 2, 1, &[(vec![1.0, 2.0], vec![0]), (vec![], vec![]), (vec![], vec![])])
    };
    let rows = [(vec![1.0, 2.0], vec![0]), (vec![], vec![]), (vec![], vec![])];
    let folder = tempfile::tempdir().unwrap();
    let target = store(&folder.path().join("e"), &manifest, &rows, 1, Existing::Refuse).unwrap();
    let text = fs::read_to_string(target.join("manifest.json")).unwrap();
    let compact = text.lines().map(str::trim_start).collect::<String>();
    let (content, checksums) = compact.split_once(",\"files\": ").unwrap();
    assert_eq!(
        content,
        "{\"kind\": \"dpnas embedding\",\"format\": 1,\"dtype\": \"float32\",\"program\": \"dpnas 0.1.0\",\
         \"layout\": \"npy\",\"features\": 2,\"rows\": {\"train\": 1,\"val\": 0,\"test\": 0},\
         \"class_names\": [\"class 0\"],\"net\": \"[C(4,3,1,1,1), SM(3)]\",\"weight_seed\": 18446744073709551615,\
         \"init\": \"kaiming-normal\",\"norm\": {\"mode\": \"calibrated\",\"epsilon\": 0.0001,\
         \"calibration_images\": 1024,\"batch_size\": null},\"engine\": \"flex f32\",\"data\": \"digits\",\
         \"data_fingerprint\": \"01-02-03\",\"image\": [1,8,8],\"settings\": {\"seed\": 3}"
    );
    // The file of no labels from any other program: `sha256sum test/labels.npy`.
    let labels = std::process::Command::new("sha256sum").arg(target.join("test/labels.npy")).output().unwrap().stdout;
    let labels = String::from_utf8(labels).unwrap();
    let labels = labels.split_whitespace().next().unwrap();
    assert!(checksums.contains(&format!("\"test/labels.npy\": \"{labels}\"")), "{checksums}");
    assert_eq!(checksums.matches(".npy\": \"").count(), 6, "{checksums}");
    assert!(checksums.contains("},\"digest\": \""), "{checksums}");
}

#[test]
fn a_manifest_with_more_fields_is_read_and_a_newer_format_is_not() {
    let (_folder, target) = stored(Layout::Npy);
    let path = target.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"features\"", "\"later\": [1], \"features\"")).unwrap();
    assert_eq!(read(&target, SplitName::Val).unwrap().labels(), [1]);
    fs::write(&path, text.replace("\"format\": 1", "\"format\": 2").replace("dpnas 0.1.0", "dpnas 0.9.0")).unwrap();
    assert_eq!(
        StoredEmbedding::open(&target).unwrap_err().to_string(),
        format!(
            "{} has format 2, written by dpnas 0.9.0; this version reads formats up to 1. Use dpnas 0.9.0 or newer",
            path.display()
        )
    );
    fs::write(&path, text.replace("\"layout\": \"npy\"", "\"layout\": \"parquet\"")).unwrap();
    let error = StoredEmbedding::open(&target).unwrap_err();
    assert!(error.to_string().contains("unknown variant `parquet`"), "{error}");
}

#[test]
fn other_folders_are_no_stored_embeddings() {
    let folder = tempfile::tempdir().unwrap();
    let error = || StoredEmbedding::open(folder.path()).unwrap_err();
    assert!(matches!(error(), StoreError::NotAnEmbedding { .. }));
    for text in ["", "{}", "{\"kind\": \"web app\", \"format\": 1}", "[1]", "\u{0}"] {
        fs::write(folder.path().join("manifest.json"), text).unwrap();
        assert!(matches!(error(), StoreError::NotAnEmbedding { .. }), "{text}");
    }
    assert_eq!(
        error().to_string(),
        format!("{} is no stored embedding: it has no manifest.json that `embed` wrote", folder.path().display())
    );
}

#[test]
fn a_file_that_lost_its_end_or_is_missing_is_told_for_every_layout() {
    for (layout, file) in [
        (Layout::Npy, "train/features.npy"),
        (Layout::Npy, "train/labels.npy"),
        (Layout::Folder, "train/000002/000001.npy"),
        (Layout::Safetensors, "train.safetensors"),
    ] {
        let (_folder, target) = stored(layout);
        let path = target.join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let message = read(&target, SplitName::Train).unwrap_err().to_string();
        assert_eq!(
            message,
            format!(
                "{}: found {} bytes, expected {} bytes; store the embedding again",
                path.display(),
                bytes.len() - 1,
                bytes.len()
            )
        );
        fs::remove_file(&path).unwrap();
        let error = read(&target, SplitName::Train).unwrap_err();
        match layout {
            Layout::Folder => assert_eq!(
                error.to_string(),
                format!(
                    "{}: found 2 vectors, expected 3 by the manifest; store the embedding again",
                    target.join("train").display()
                )
            ),
            _ => assert_eq!(error.to_string(), format!("cannot open {}", path.display())),
        }
        assert_eq!(read(&target, SplitName::Val).unwrap().row(0), [7.0, 8.0], "the others can be read");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_an_ended_process_left_is_removed_and_what_a_living_one_writes_stays() {
    let (folder, target) = stored(Layout::Npy);
    let rows = small();
    let manifest = manifest(Layout::Npy, 2, 3, &rows);
    let begin = || EmbeddingWriter::create(&target, manifest.clone(), labels(&rows), Existing::Replace).unwrap();
    for left in [".embedding.writing-abc123", ".embedding.replaced-abc123", ".other.writing-abc123"] {
        fs::create_dir(folder.path().join(left)).unwrap();
        fs::write(folder.path().join(left).join("train.safetensors"), "rows").unwrap();
    }
    let living = begin();
    let second = begin();
    let now = names(folder.path());
    assert_eq!(now.iter().filter(|name| name.starts_with(".embedding.writing-")).count(), 2, "{now:?}");
    drop((living, second));
    assert_eq!(names(folder.path()), [".other.writing-abc123", "embedding"]);
}

/// Readers beside a writer that replaces the embedding again and again always find a whole one.
#[cfg(target_os = "linux")]
#[test]
fn at_every_moment_one_whole_embedding_stands_at_the_target() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let (folder, target) = stored(Layout::Safetensors);
    let rows = small();
    let manifest = manifest(Layout::Safetensors, 2, 3, &rows);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut looked = 0_u32;
            while !ended.load(Ordering::Relaxed) || looked < 100 {
                assert!(target.join("manifest.json").is_file(), "after {looked} looks");
                looked += 1;
            }
        });
        for _ in 0..200 {
            store(&target, &manifest, &rows, 2, Existing::Replace).unwrap();
        }
        ended.store(true, Ordering::Relaxed);
    });
    StoredEmbedding::open(&target).unwrap().verify().unwrap();
    assert_eq!(names(folder.path()), ["embedding"]);
}

#[test]
fn a_manifest_of_other_sizes_does_not_go_with_the_files() {
    for layout in Layout::ALL {
        let (_folder, target) = stored(layout);
        let path = target.join("manifest.json");
        let text = fs::read_to_string(&path).unwrap();
        for (from, to) in [("\"features\": 2", "\"features\": 3"), ("\"train\": 3", "\"train\": 4")] {
            fs::write(&path, text.replace(from, to)).unwrap();
            let error = read(&target, SplitName::Train).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{layout}: {error}");
        }
        for (from, to) in [("\"train\": 3", "\"train\": 18446744073709551615"), ("\"features\": 2", "\"features\": 0")]
        {
            fs::write(&path, text.replace(from, to)).unwrap();
            assert!(read(&target, SplitName::Train).is_err(), "{layout}: {to}");
        }
    }
}

#[test]
fn a_label_without_a_class_name_is_told() {
    let (_folder, target) = stored(Layout::Npy);
    let path = target.join("train/labels.npy");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() = 0xff; // most significant byte of the last label
    fs::write(&path, bytes).unwrap();
    let message = read(&target, SplitName::Train).unwrap_err().to_string();
    assert_eq!(
        message,
        format!("row 2 of train has the label {}, but there are 3 class names (labels 0 and up)", (0xff_i64 << 56) | 2)
    );
    let rows = [(vec![0.0], vec![3]), (vec![], vec![]), (vec![], vec![])];
    let folder = tempfile::tempdir().unwrap();
    let error = store(&folder.path().join("e"), &manifest(Layout::Npy, 1, 3, &rows), &rows, 1, Existing::Refuse);
    assert!(matches!(error, Err(StoreError::LabelRange { row: 0, label: 3, classes: 3, .. })));
}

#[test]
fn what_is_there_stays_unless_it_is_a_stored_embedding_that_may_be_replaced() {
    let (folder, target) = stored(Layout::Folder);
    let before = snapshot(folder.path());
    let new: Rows = [(vec![9.0], vec![0]), (vec![], vec![]), (vec![], vec![])];
    let manifest = manifest(Layout::Npy, 1, 1, &new);
    let error = store(&target, &manifest, &new, 1, Existing::Refuse).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} exists already: choose another folder, or have it replaced with --overwrite", target.display())
    );
    assert_eq!(snapshot(folder.path()), before);

    store(&target, &manifest, &new, 1, Existing::Replace).unwrap();
    assert_eq!(read(&target, SplitName::Train).unwrap().values(), [9.0]);
    assert_eq!(names(&target), ["manifest.json", "test", "train", "val"]);
    assert_eq!(names(folder.path()), ["embedding"], "nothing is left beside it");
    // Replacing an empty folder loses nothing.
    fs::create_dir(folder.path().join("empty")).unwrap();
    store(&folder.path().join("empty"), &manifest, &new, 1, Existing::Replace).unwrap();
}

#[test]
fn folders_with_other_files_are_never_replaced() {
    let (folder, target) = stored(Layout::Npy);
    fs::write(target.join("notes.txt"), "mine").unwrap();
    let other = folder.path().join("thesis");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("chapter.tex"), "mine").unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let before = snapshot(folder.path());
    let rows = small();
    let create = |path: &Path, existing| {
        EmbeddingWriter::create(path, manifest(Layout::Npy, 2, 3, &rows), labels(&rows), existing).unwrap_err()
    };
    for (path, reason) in [
        (&target, "it also holds notes.txt"),
        (&other, "it is no stored embedding (it has no manifest.json of one)"),
        (&file, "it is a file"),
    ] {
        let error = create(path, Existing::Replace);
        let expected = format!(
            "{} is not replaced: {reason}. Only a folder with a stored embedding and nothing else is; choose another one",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(snapshot(folder.path()), before);
    for path in ["/", "..", "a/.."] {
        let error = create(Path::new(path), Existing::Refuse);
        assert!(matches!(error, StoreError::NoName { .. } | StoreError::Exists { .. }), "{path}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn behind_a_link_the_embedding_is_replaced_and_the_link_stays() {
    let (folder, target) = stored(Layout::Npy);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let new: Rows = [(vec![9.0], vec![0]), (vec![], vec![]), (vec![], vec![])];
    store(&link, &manifest(Layout::Npy, 1, 1, &new), &new, 1, Existing::Replace).unwrap();
    assert!(link.is_symlink());
    assert_eq!(read(&target, SplitName::Train).unwrap().values(), [9.0]);
}

#[cfg(unix)]
#[test]
fn a_stored_embedding_is_as_readable_as_other_new_folders() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, target) = stored(Layout::Npy);
    let plain = folder.path().join("plain");
    fs::create_dir(&plain).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&target), mode(&plain));
}

#[test]
fn an_unfinished_embedding_leaves_nothing_and_an_old_one_as_it_was() {
    let (folder, target) = stored(Layout::Npy);
    let before = snapshot(folder.path());
    let rows = small();
    let manifest = manifest(Layout::Npy, 2, 3, &rows);
    let mut writer = EmbeddingWriter::create(&target, manifest, labels(&rows), Existing::Replace).unwrap();
    writer.push(SplitName::Train, &rows[0].0[..4]).unwrap();
    assert!(names(folder.path()).iter().any(|name| name.starts_with(".embedding.writing-")));
    let error = writer.finish().unwrap_err();
    assert_eq!(error.to_string(), "the split train has 2 rows for 3 labels");
    assert_eq!(snapshot(folder.path()), before);
    assert_eq!(names(folder.path()), ["embedding"]);
}

#[test]
fn what_appears_while_an_embedding_is_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("e");
    let rows: Rows = Default::default();
    let manifest = manifest(Layout::Npy, 1, 1, &rows);
    let writer = EmbeddingWriter::create(&target, manifest, labels(&rows), Existing::Refuse).unwrap();
    fs::write(&target, "mine").unwrap();
    assert!(matches!(writer.finish(), Err(StoreError::Exists { .. })));
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    assert_eq!(names(folder.path()), ["e"]);
}

#[test]
fn rows_must_be_whole_and_as_many_as_labels() {
    let folder = tempfile::tempdir().unwrap();
    let rows = small();
    let manifest = manifest(Layout::Safetensors, 2, 3, &rows);
    let target = folder.path().join("a/b/e");
    let mut writer = EmbeddingWriter::create(&target, manifest.clone(), labels(&rows), Existing::Refuse).unwrap();
    let partial = writer.push(SplitName::Train, &[1.0, 2.0, 3.0]).unwrap_err();
    assert_eq!(partial.to_string(), "3 values are not whole rows of 2 features: push a multiple of 2");
    writer.push(SplitName::Train, &rows[0].0[..4]).unwrap();
    let more = writer.push(SplitName::Train, &rows[0].0[..4]).unwrap_err();
    assert_eq!(more.to_string(), "the split train has 4 rows for 3 labels");
    writer.push(SplitName::Train, &rows[0].0[4..]).unwrap();
    assert_eq!(writer.finish().unwrap_err().to_string(), "the split val has 0 rows for 1 labels");
    let none = Manifest { features: 0, ..manifest };
    assert!(matches!(
        EmbeddingWriter::create(&target, none, labels(&rows), Existing::Refuse),
        Err(StoreError::NoFeatures)
    ));
    assert!(!target.exists());
}
