//! Streaming and storing embeddings.

use crate::engine::{Toy, config, data, evaluator};
use dpnas::cache::Cache;
use dpnas::grammar::Net;
use dpnas::prior::{NormMode, Normalisation};
use dpnas::search::Seed;
use dpnas::store::{Existing, Layout, SplitName, StoreError, StoredEmbedding};
use dpnas::{DeepPrior, EmbedError, ScoreError, StoreRequest};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const NET: &str = "[C(8,3,1,1,1), P(2,2,0,0), SM(4)]";

fn net(text: &str) -> Net {
    text.parse().unwrap()
}

/// The rows of train, val and test under one draw.
fn rows(prior: &DeepPrior, net: &Net, seed: u64) -> Result<[Vec<f32>; 3], ScoreError> {
    let mut rows: [Vec<f32>; 3] = Default::default();
    let mut last = SplitName::Train;
    prior.embed(net, Seed(seed), |split, block| {
        assert!(split as usize >= last as usize, "splits come one after the other");
        last = split;
        rows[split as usize].extend_from_slice(block);
        Ok::<_, ScoreError>(())
    })?;
    Ok(rows)
}

#[test]
fn rows_come_split_by_split_the_same_with_and_without_a_cache_and_for_any_chunk() {
    let net = net(NET);
    let first = rows(&evaluator(&Toy::default(), config()), &net, 1).unwrap();
    assert_eq!(first.each_ref().map(Vec::len), [108 * 128, 12 * 128, 30 * 128]);
    let mut small = config();
    small.largest_chunk = 7.try_into().unwrap();
    assert_eq!(rows(&evaluator(&Toy::default(), small), &net, 1).unwrap(), first);

    let folder = tempfile::tempdir().unwrap();
    let toy = Toy::default();
    let cached = evaluator(&toy, config()).with_cache(Cache::open(folder.path(), 1 << 20).unwrap());
    cached.score(&net).unwrap();
    let calls = toy.used.lock().unwrap().encoded.len();
    assert_eq!(rows(&cached, &net, 1).unwrap(), first);
    assert_eq!(toy.used.lock().unwrap().encoded.len(), calls, "embedded again");
    // Another draw has another embedding. The layers of the classifier do not change it.
    assert_ne!(rows(&cached, &net, 2).unwrap(), first);
    let with_fc = "[C(8,3,1,1,1), P(2,2,0,0), FC(32), SM(4)]".parse().unwrap();
    assert_eq!(rows(&cached, &with_fc, 1).unwrap(), first);
}

#[test]
fn a_stored_embedding_has_the_rows_the_labels_and_what_made_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    config.norm = Normalisation { mode: NormMode::Reference, epsilon: 1e-3 };
    let prior = evaluator(&Toy::default(), config);
    let expected = rows(&prior, &net(NET), 7).unwrap();
    for layout in Layout::ALL {
        let target = folder.path().join(layout.to_string());
        let settings = serde_json::json!({ "seed": 1 });
        let request = StoreRequest { layout, settings, ..StoreRequest::npy(&data().name) };
        let mut told = 0;
        let manifest = prior.store_embedding(&net(NET), Seed(7), &target, &request, &mut |rows| told += rows).unwrap();
        assert_eq!(told, 150);
        let stored = StoredEmbedding::open(&target).unwrap();
        assert_eq!(stored.manifest(), &manifest);
        let splits = prior.splits();
        for (split, set) in SplitName::ALL.into_iter().zip([&splits.train, &splits.valid, &splits.test]) {
            let back = stored.read(split).unwrap();
            let mut order: Vec<usize> = (0..set.len()).collect();
            if layout == Layout::Folder {
                order.sort_by_key(|&row| set.labels()[row]);
            }
            for (row, &of) in order.iter().enumerate() {
                assert_eq!(back.labels()[row], set.labels()[of]);
                assert_eq!(back.row(row), &expected[split as usize][of * 128..][..128]);
            }
        }
    }
    let manifest = StoredEmbedding::open(folder.path().join("npy")).unwrap().manifest().clone();
    assert_eq!((manifest.net.as_str(), manifest.weight_seed, manifest.features), (NET, 7, 128));
    assert_eq!((manifest.norm.mode.as_str(), manifest.norm.epsilon), ("reference", 1e-3));
    assert_eq!((manifest.norm.calibration_images, manifest.norm.batch_size), (None, Some(16)));
    assert_eq!((manifest.engine.as_str(), manifest.init.as_str()), ("toy", "kaiming-normal"));
    assert_eq!((manifest.data, manifest.image), (data().name, [1, 8, 8]));
    assert_eq!(manifest.data_fingerprint, prior.splits().fingerprint());
    assert_eq!(manifest.class_names, data().train.class_names());
    assert_eq!(manifest.settings["seed"], 1);
}

#[test]
fn what_goes_wrong_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("embedding");
    let request = StoreRequest::npy("synthetic");
    let store =
        |prior: &DeepPrior| prior.store_embedding(&net(NET), Seed(1), &target, &request, &mut |_| ()).unwrap_err();

    let broken = evaluator(&Toy { broken: Some("C(8,"), ..Toy::default() }, config());
    assert!(matches!(store(&broken), EmbedError::Score(ScoreError::NotFinite)));
    let stopped = evaluator(&Toy::default(), config()).with_stop_flag(Arc::new(AtomicBool::new(true)));
    assert!(matches!(store(&stopped), EmbedError::Score(ScoreError::Interrupted)));
    let mut small = config();
    small.memory_budget = 1;
    let error = store(&evaluator(&Toy::default(), small));
    assert!(error.to_string().starts_with(&format!("{NET} does not fit the memory: ")), "{error}");
    assert!(error.to_string().ends_with("the memory budget is 1 bytes"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let whole = evaluator(&Toy::default(), config());
    let store = |seed, request| whole.store_embedding(&net(NET), Seed(seed), &target, request, &mut |_| ());
    store(1, &request).unwrap();
    assert!(matches!(store(1, &request), Err(EmbedError::Store(StoreError::Exists { .. }))));
    let replace = StoreRequest { existing: Existing::Replace, ..request.clone() };
    assert_eq!(store(2, &replace).unwrap().weight_seed, 2);
}

#[test]
fn the_first_error_of_the_sink_ends_the_embedding() {
    let prior = evaluator(&Toy::default(), config());
    let mut blocks = 0;
    let result = prior.embed(&net(NET), Seed(1), |_, _| {
        blocks += 1;
        Err(EmbedError::from(StoreError::NoFeatures))
    });
    assert!(matches!(result, Err(EmbedError::Store(StoreError::NoFeatures))));
    assert_eq!(blocks, 1);
}
