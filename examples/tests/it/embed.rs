//! Embeddings that are stored for other programs.

use crate::stderr;
use dpnas::store::{Layout, SplitName, StoredEmbedding, StoredSplit};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const NET: &str = "[C(4,3,1,1,1), P(4,4,0,0), SM(10)]";

fn embed(output: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_embed"));
    command.args(["--net", NET, "--limit-train", "60", "--cache", "off", "--output"]).arg(output);
    command.args(arguments).output().unwrap()
}

/// Stores the embedding of 60 training and all test digits.
fn stored(output: &Path, arguments: &[&str]) -> StoredEmbedding {
    let result = embed(output, arguments);
    assert!(result.status.success(), "{}", stderr(&result));
    StoredEmbedding::open(output).unwrap()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The rows sorted by label, as the layout `folder` has them.
fn by_label(split: &StoredSplit) -> (Vec<u32>, Vec<u32>) {
    let mut order: Vec<usize> = (0..split.len()).collect();
    order.sort_by_key(|&row| split.labels()[row]);
    let values = order.iter().flat_map(|&row| bits(split.row(row))).collect();
    (values, order.iter().map(|&row| split.labels()[row]).collect())
}

#[test]
fn every_layout_holds_the_same_rows_whatever_chunk_and_threads() {
    let folder = tempfile::tempdir().unwrap();
    let npy = stored(&folder.path().join("npy"), &[]);
    let class_folders = stored(&folder.path().join("folder"), &["--layout", "folder", "--chunk", "7"]);
    let tensors = stored(&folder.path().join("tensors"), &["--layout", "safetensors", "--threads", "1"]);
    for split in SplitName::ALL {
        let expected = npy.read(split).unwrap();
        assert_eq!(tensors.read(split).unwrap(), expected);
        let sorted = class_folders.read(split).unwrap();
        assert_eq!((bits(sorted.values()), sorted.labels().to_vec()), by_label(&expected));
    }
    assert!(npy.read(SplitName::Train).unwrap().values().iter().any(|&value| value != 0.0));
    let other = stored(&folder.path().join("other"), &["--weight-seed", "5"]);
    assert_ne!(other.read(SplitName::Test).unwrap(), npy.read(SplitName::Test).unwrap());
    assert_eq!(other.read(SplitName::Test).unwrap().labels(), npy.read(SplitName::Test).unwrap().labels());
}

#[test]
fn the_json_and_the_manifest_say_what_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a/b/embedding");
    let result = embed(&output, &["--json", "--seed", "3", "--layout", "safetensors", "--device", "flex"]);
    let json: serde_json::Value = serde_json::from_slice(&result.stdout).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "output": output, "layout": "safetensors", "net": NET, "weight_seed": 3, "features": 16, "classes": 10,
            "rows": { "train": 54, "val": 6, "test": 355 },
        })
    );
    let manifest = StoredEmbedding::open(&output).unwrap().manifest().clone();
    assert_eq!((manifest.layout, manifest.weight_seed, manifest.data.as_str()), (Layout::Safetensors, 3, "digits"));
    assert_eq!((manifest.engine.as_str(), manifest.image), ("flex f32 v2", [1, 8, 8]));
    assert_eq!(manifest.class_names, (0..10).map(|digit| digit.to_string()).collect::<Vec<_>>());
    assert_eq!(manifest.settings["limit-train"], 60);
    assert_eq!(manifest.settings["net"], NET);
}

#[test]
fn an_embedding_is_replaced_only_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("embedding");
    stored(&output, &[]);
    let refused = embed(&output, &["--layout", "folder"]);
    assert!(!refused.status.success());
    assert_eq!(
        stderr(&refused),
        format!(
            "error: {} exists already: choose another folder, or have it replaced with --overwrite\n",
            output.display()
        )
    );
    assert_eq!(stored(&output, &["--layout", "folder", "--overwrite"]).manifest().layout, Layout::Folder);
    assert_eq!(entries(folder.path()), [output]);
}

#[test]
fn bad_input_is_named_and_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("embedding");
    for (arguments, expected) in [
        (["--layout", "numpy"], "error: layout: unknown layout `numpy`: use npy, folder or safetensors\n"),
        (
            ["--net", "[C(4,11,1,0,1), SM(10)]"],
            "error: layer 1, `C(4,11,1,0,1)`: the kernel 11 is larger than the 1x8x8 map with padding 0; use a kernel \
             of at most 8 or a padding of at least 2\n",
        ),
        (["--memory-budget", "1"], "does not fit the memory: "),
    ] {
        let result = embed(&output, &arguments);
        assert!(!result.status.success(), "{arguments:?} was taken");
        assert!(stderr(&result).contains(expected), "{}", stderr(&result));
    }
    let result = Command::new(env!("CARGO_BIN_EXE_embed")).arg("--output").arg(&output).output().unwrap();
    assert_eq!(
        stderr(&result),
        "error: no architecture: give one with --net, for example --net '[C(32,3,1,1,1), SM(10)]'\n"
    );
    assert_eq!(entries(folder.path()).len(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_leaves_the_old_embedding() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("embedding");
    let old = stored(&output, &["--layout", "folder"]).read(SplitName::Train).unwrap();
    // No file may grow beyond 2 KiB: writes fail as on a full disk.
    let script = format!(
        "ulimit -f 4; exec '{}' --net '{NET}' --limit-train 60 --cache off --overwrite --output '{}'",
        env!("CARGO_BIN_EXE_embed"),
        output.display()
    );
    let result = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(!result.status.success());
    let rows = 54 + 6 + 355;
    assert_eq!(
        stderr(&result),
        format!(
            "error: the disk (or a quota or size limit) is full: the embedding could not be stored, and nothing of it \
             is left in {}. It needs at least {} bytes; free some space or choose a folder on another disk\n",
            output.display(),
            rows * (16 * 4 + 8)
        )
    );
    assert_eq!(entries(folder.path()), std::slice::from_ref(&output));
    assert_eq!(StoredEmbedding::open(&output).unwrap().read(SplitName::Train).unwrap(), old);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_embed"))
        .args(["--net", "[C(256,3,1,1,1), C(256,3,1,1,1), C(256,3,1,1,1), SM(10)]", "--patch-size", "48"])
        .args(["--cache", "off", "--chunk", "1", "--calibration-images", "2", "--output"])
        .arg(folder.path().join("embedding"))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..6000 {
        if !entries(folder.path()).is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(entries(folder.path()).len(), 1, "it writes beside the place of the embedding");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let result = child.wait_with_output().unwrap();
    assert_eq!(result.status.code(), Some(130), "{}", stderr(&result));
    assert!(stderr(&result).ends_with("interrupted; nothing was stored\n"), "{}", stderr(&result));
    assert_eq!(entries(folder.path()).len(), 0);
}

#[test]
fn score_stores_each_draw_and_resuming_stores_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("embeddings");
    let score = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_score")).args(arguments).output().unwrap();
    let [runs, place] = [folder.path().join("runs"), output.clone()].map(|path| path.display().to_string());
    let same = ["--net", NET, "--limit-train", "60", "--cache", "off", "--epochs", "2", "--runs", &runs];
    let to_store = ["--draws", "2", "--store-embedding", &place, "--layout", "safetensors", "--json"];
    let result = score(&[&same[..], &to_store].concat());
    assert!(result.status.success(), "{}", stderr(&result));
    let json: serde_json::Value = serde_json::from_slice(&result.stdout).unwrap();
    let draws = ["net-00-draw-0", "net-00-draw-1"].map(|name| output.join(name));
    assert_eq!(json["embeddings"], serde_json::json!(draws));
    for (draw, path) in draws.iter().enumerate() {
        let seed = json["results"][draw]["seed"].as_u64().unwrap();
        let stored_by_score = StoredEmbedding::open(path).unwrap();
        assert_eq!(stored_by_score.manifest().weight_seed, seed);
        let by_embed = stored(&folder.path().join(draw.to_string()), &["--weight-seed", &seed.to_string()]);
        for split in SplitName::ALL {
            assert_eq!(stored_by_score.read(split).unwrap(), by_embed.read(split).unwrap());
        }
    }
    std::fs::remove_dir_all(&draws[1]).unwrap();
    let result = score(&["--resume", json["run"].as_str().unwrap()]);
    assert!(result.status.success(), "{}", stderr(&result));
    assert!(StoredEmbedding::open(&draws[1]).is_ok());

    let refused = score(&[&same[..], &["--draws", "2", "--store-embedding", &place]].concat());
    let expected = format!("error: store-embedding: {} exists already: choose another folder\n", draws[0].display());
    assert_eq!(stderr(&refused), expected);
    let refused = score(&[&same[..], &["--layout", "npy"]].concat());
    assert_eq!(stderr(&refused), "error: layout: nothing is stored; add --store-embedding DIR, or leave it out\n");
    assert_eq!(entries(Path::new(&runs)).len(), 1, "a run that is refused leaves no folder");
}

/// Loads a stored embedding as the guide does, and writes plain numbers: features as float32, then labels as int64.
const PYTHON_SCRIPT: &str = "
import pathlib, sys, numpy
npy, folder, out = map(pathlib.Path, sys.argv[1:])
for split in ['train', 'val', 'test']:
    features, labels = numpy.load(npy / split / 'features.npy'), numpy.load(npy / split / 'labels.npy')
    assert features.dtype == numpy.float32 and labels.dtype == numpy.int64
    features.tofile(out / f'npy-{split}-features'), labels.tofile(out / f'npy-{split}-labels')
    rows = [(int(path.parent.name), numpy.load(path)) for path in sorted((folder / split).glob('*/*.npy'))]
    assert all(row.dtype == numpy.float32 for _, row in rows)
    numpy.stack([row for _, row in rows]).tofile(out / f'folder-{split}-features')
    numpy.array([label for label, _ in rows], dtype=numpy.int64).tofile(out / f'folder-{split}-labels')
";

#[test]
fn numpy_reads_the_same_numbers_from_the_layouts_npy_and_folder() {
    let Some(python) = crate::skipped::python("numpy") else { return };
    let folder = tempfile::tempdir().unwrap();
    let [npy, class_folders, out] = ["npy", "folder", "out"].map(|name| folder.path().join(name));
    let embedding = stored(&npy, &[]);
    stored(&class_folders, &["--layout", "folder"]);
    std::fs::create_dir(&out).unwrap();
    let result = Command::new(python).args(["-c", PYTHON_SCRIPT]).args([&npy, &class_folders, &out]).output().unwrap();
    assert!(result.status.success(), "{}", stderr(&result));
    let read = |name: String| std::fs::read(out.join(name)).unwrap();
    let features = |name| read(name).chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>();
    let labels =
        |name| read(name).chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as u32).collect::<Vec<_>>();
    for split in SplitName::ALL {
        let expected = embedding.read(split).unwrap();
        assert_eq!(features(format!("npy-{split}-features")), bits(expected.values()));
        assert_eq!(labels(format!("npy-{split}-labels")), expected.labels());
        let (sorted, sorted_labels) = by_label(&expected);
        assert_eq!(features(format!("folder-{split}-features")), sorted);
        assert_eq!(labels(format!("folder-{split}-labels")), sorted_labels);
    }
}
