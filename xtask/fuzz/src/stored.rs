//! Files of numbers.

use crate::checkpoint::{LAST_CHECKPOINT, Store};
use crate::model::{Model, Norm, Parameter};
use crate::{Reading, folder, put, refused};
use dpnas::cache::{Cache, Key};
use dpnas::heads::{Lambda, LinearHead, Shrinkage, Statistics, lda, ridge};
use dpnas::search::Seed;
use dpnas::store::{EmbeddingWriter, Existing, Layout, Manifest, SplitName, StoredEmbedding};
use dpnas_grammar::Plan;
use dpnas_prior::WeightInit;
use dpnas_train::{Checkpoints, FullConfig};
use std::fs::{create_dir_all, read, read_dir};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// An entry of the cache, as it is and with the right checksum of its header. What is served are the bytes of the file.
pub(crate) fn cache_entry(bytes: &[u8]) -> Reading {
    let mut sealed = bytes.to_vec();
    if let Some(header) = bytes.get(12..16).and_then(|length| bytes.get(20..20 + word(length))) {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes[..16]);
        hasher.update(header);
        sealed[16..20].copy_from_slice(&hasher.finalize().to_le_bytes());
    }
    entry(bytes).or_else(|_| entry(&sealed))
}

fn word(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte))
}

fn entry(bytes: &[u8]) -> Reading {
    let (folder, key) = (folder(), Key::new().with("net", "[SM(10)]").with("seed", 7));
    let cache = Cache::open(folder.path(), 1 << 30).map_err(refused)?;
    let path = folder.path().join(key.hash() + ".embedding");
    put(&path, bytes);
    let Some(matrix) = cache.get(&key).map_err(refused)? else {
        assert!(!path.exists(), "a damaged entry is still there");
        return Err("a miss".to_owned());
    };
    let mut rows = vec![0.0f32; matrix.rows() * matrix.columns()];
    matrix.read_rows(&(0..matrix.rows()).collect::<Vec<_>>(), &mut rows).map_err(|error| error.to_string())?;
    if let Some(values) = matrix.values::<f32>() {
        assert!(values.iter().zip(&rows).all(|(a, b)| a.to_bits() == b.to_bits()), "two ways to read differ");
    }
    Ok(())
}

/// A checkpoint of full training.
pub(crate) fn checkpoint(bytes: &[u8]) -> Reading {
    static PLAN: LazyLock<Plan> = LazyLock::new(|| {
        let net: dpnas_grammar::Net = "[C(2,1,1,0,1), SM(2)]".parse().expect("an architecture");
        net.plan(dpnas_grammar::ImageShape::square(1, 2)).expect("it fits")
    });
    let folder = folder();
    put(folder.path().join(LAST_CHECKPOINT), bytes);
    let place = Checkpoints { folder: folder.path().to_owned(), data: "data".to_owned() };
    let config = FullConfig::paper(Seed(0));
    let store = Store::new(&place, "engine", &PLAN, (WeightInit::KaimingNormal, Seed(0)), &config);
    let weight = Parameter::new("weight".to_owned(), vec![2, 1, 1, 1], vec![0.5, -0.5]);
    let mut model = Model { weights: vec![weight], norms: vec![Norm::new("norm", 2)], steps: 0 };
    store.resume(&mut model).map(drop).map_err(refused)
}

/// Paths in a folder, and the content of the files.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// A manifest, or a file of the training rows in one of the three layouts, in an embedding that is otherwise sound.
pub(crate) fn embedding(bytes: &[u8]) -> Reading {
    static SOUND: LazyLock<[Files; 3]> =
        LazyLock::new(|| [Layout::Npy, Layout::Folder, Layout::Safetensors].map(sound));
    let contains = |text: &[u8]| bytes.windows(text.len()).any(|found| found == text);
    let (of, name) = match bytes.first() {
        Some(b'{') if contains(b"folder") => (&SOUND[1], "manifest.json"),
        Some(b'{') if contains(b"safetensors") => (&SOUND[2], "manifest.json"),
        Some(b'{') => (&SOUND[0], "manifest.json"),
        Some(0x93) if contains(b"(2,)") || contains(b"(2, )") => (&SOUND[1], "train/000000/000000.npy"),
        Some(0x93) if contains(b"<i8") => (&SOUND[0], "train/labels.npy"),
        Some(0x93) => (&SOUND[0], "train/features.npy"),
        _ => (&SOUND[2], "train.safetensors"),
    };
    let folder = folder();
    for (path, content) in of {
        let target = folder.path().join(path);
        create_dir_all(target.parent().unwrap_or(&target)).expect("the folder for the input can be written");
        put(target, if path == Path::new(name) { bytes } else { content });
    }
    let embedding = StoredEmbedding::open(folder.path()).map_err(refused)?;
    SplitName::ALL.into_iter().try_for_each(|split| embedding.read(split).map(drop)).map_err(refused)
}

/// The files of a small embedding.
fn sound(layout: Layout) -> Files {
    fn files(root: &Path, folder: &Path, found: &mut Files) {
        for entry in read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => files(root, &path, found),
                path => {
                    found.push((path.strip_prefix(root).unwrap_or(&path).to_owned(), read(&path).unwrap_or_default()))
                }
            }
        }
    }
    let folder = folder();
    let target = folder.path().join("embedding");
    let net = "[C(2,3,1,0,1), SM(2)]".parse().expect("an architecture");
    let manifest = Manifest { layout, features: 2, class_names: vec!["a".into(), "b".into()], ..Manifest::of(&net) };
    let labels: [&[u32]; 3] = [&[0, 1, 1], &[0, 1], &[1, 0]];
    let write = || {
        let mut writer = EmbeddingWriter::create(&target, manifest, labels, Existing::Refuse)?;
        for (split, labels) in SplitName::ALL.into_iter().zip(labels) {
            writer.push(split, &[0.5, -1.0, 2.0, 3.0, -0.0, 5.0][..2 * labels.len()])?;
        }
        writer.finish()
    };
    write().unwrap_or_else(|error| panic!("the embedding cannot be written: {error}"));
    let mut found = Vec::new();
    files(&target, &target, &mut found);
    found
}

/// Statistics or a head. They are written as they were read, and give heads.
pub(crate) fn statistics(bytes: &[u8]) -> Reading {
    if let Ok(head) = LinearHead::from_bytes(bytes) {
        assert_eq!(head.to_bytes().and_then(|bytes| LinearHead::from_bytes(&bytes)).as_ref(), Ok(&head));
        return Ok(());
    }
    let statistics = Statistics::from_bytes(bytes).map_err(refused)?;
    assert_eq!(statistics.to_bytes().and_then(|bytes| Statistics::from_bytes(&bytes)).as_ref(), Ok(&statistics));
    let _ = ridge(&statistics, Lambda::Fixed(1e-3)).map(drop).map_err(refused);
    let _ = lda(&statistics, Shrinkage::Fixed(0.1)).map(drop).map_err(refused);
    let mut twice = statistics.clone();
    let _ = twice.merge(&statistics).and_then(|()| twice.subtract(&statistics)).map_err(refused);
    Ok(())
}
