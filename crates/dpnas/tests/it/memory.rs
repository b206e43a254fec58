//! Memory budgets and engines that run out of memory: they change chunks and files, but no score.

use crate::engine::{Toy, config, data, data_of, evaluator};
use dpnas::cache::Cache;
use dpnas::grammar::Net;
use dpnas::prior::{EngineMemory, NormMode, Normalisation, Precision};
use dpnas::seed::Seed;
use dpnas::{DeepPrior, DeepPriorConfig, MemoryPlan, Metrics, Outcome, RowPlace, Splits};

const NET: &str = "[C(8,3,1,1,1), P(2,2,0,0), SM(4)]";

fn net() -> Net {
    NET.parse().unwrap()
}

fn scored(evaluator: &DeepPrior) -> Metrics {
    match evaluator.score(&net()).unwrap() {
        Outcome::Scored(score) => score,
        other => panic!("{other:?}"),
    }
}

fn with_budget(budget: u64) -> DeepPriorConfig {
    let mut config = config();
    config.memory_budget = budget;
    config
}

fn plan_of(evaluator: &DeepPrior) -> MemoryPlan {
    evaluator.memory_plan(&net().plan(data().train.shape()).unwrap()).unwrap()
}

/// The smallest power of two that scores the net as a budget.
fn least() -> u64 {
    let fits = |budget: &u64| {
        let plan = net().plan(data().train.shape()).unwrap();
        evaluator(&Toy::default(), with_budget(*budget)).memory_plan(&plan).is_ok()
    };
    (10..).map(|power| 1u64 << power).find(fits).unwrap()
}

#[test]
fn smaller_budgets_make_smaller_chunks_and_the_smallest_one_is_out_of_memory() {
    let image = EngineMemory::unfused(&net().plan(data().train.shape()).unwrap()).image;
    // A row of 128 features takes 512 bytes; an image in a chunk needs two copies of it.
    let toy = Toy::default();
    let evaluator_ = evaluator(&toy, with_budget(400_000));
    let plan = plan_of(&evaluator_);
    assert_eq!(plan.rows, RowPlace::Memory);
    assert_eq!(plan.embedding, 150 * 512);
    assert_eq!(plan.chunk.get() as u64, plan.activations / 2 / (image + 1024));
    let expected = scored(&evaluator_);
    assert_eq!(toy.used.lock().unwrap().encoded[0], plan.chunk.get());
    let roomy = Toy::default();
    assert_eq!(scored(&evaluator(&roomy, config())), expected);
    assert_eq!(roomy.used.lock().unwrap().encoded[0], 108);
    let tight = Toy::default();
    assert_eq!(scored(&evaluator(&tight, with_budget(least()))), expected);
    assert!(tight.used.lock().unwrap().encoded[0] < plan.chunk.get());
    let outcome = evaluator(&toy, with_budget(1000)).score(&net()).unwrap();
    let Outcome::OutOfMemory { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains(" bytes, the memory budget is 1000 bytes"), "{reason}");
}

#[test]
fn an_embedding_larger_than_the_budget_is_read_from_a_file_and_scores_the_same() {
    let splits = Splits::hold_out(&data_of(900), Seed(1)).unwrap();
    let new = |budget| DeepPrior::new(Box::new(Toy::default()), splits.clone(), with_budget(budget));
    let expected = scored(&new(1 << 30));
    let in_file = || {
        let evaluator = new(400_000);
        let plan = plan_of(&evaluator);
        assert_eq!((plan.rows, plan.embedding), (RowPlace::File, 0));
        assert!(930 * 512 > plan.budget);
        evaluator
    };
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().join("scratch");
    assert_eq!(scored(&in_file().with_scratch_folder(&scratch)), expected);
    assert!(scratch.is_dir(), "the rows were not there");
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "something was left behind");
    // A cache stores the rows, and later runs find them with either budget. A cache that is too small does not store
    // them.
    let kept = || Cache::open(folder.path().join("cache"), 1 << 30).unwrap();
    assert_eq!(scored(&in_file().with_cache(kept())), expected);
    assert!(kept().used().unwrap() > 930 * 512);
    assert_eq!(scored(&in_file().with_cache(kept())), expected);
    assert_eq!(scored(&new(1 << 30).with_cache(kept())), expected);
    let small = Cache::open(folder.path().join("small"), 10).unwrap();
    assert_eq!(scored(&in_file().with_cache(small)), expected);
}

#[test]
fn rows_of_bf16_take_half_of_the_memory_and_score_as_the_same_rows_of_f32() {
    let splits = Splits::hold_out(&data_of(900), Seed(1)).unwrap();
    let new = |says, budget| {
        let toy = Toy { rows: Some([Precision::Bf16, says]), ..Toy::default() };
        DeepPrior::new(Box::new(toy), splits.clone(), with_budget(budget))
    };
    let wide = new(Precision::F32, 1 << 30);
    let expected = scored(&wide);
    assert_eq!(plan_of(&wide).embedding, 930 * 512);
    assert_ne!(
        scored(&DeepPrior::new(Box::new(Toy::default()), splits.clone(), config())),
        expected,
        "rounding counts"
    );
    let half = new(Precision::Bf16, 1 << 30);
    assert_eq!(plan_of(&half).embedding, 930 * 256);
    assert_eq!(scored(&half), expected);
    // Rows in a scratch file, stored in a cache, and read from the cache.
    let folder = tempfile::tempdir().unwrap();
    let cache = |name: &str| Cache::open(folder.path().join(name), 1 << 30).unwrap();
    let in_file = || {
        let evaluator = new(Precision::Bf16, 300_000);
        assert_eq!(plan_of(&evaluator).rows, RowPlace::File);
        evaluator
    };
    assert_eq!(scored(&in_file().with_scratch_folder(folder.path().join("scratch"))), expected);
    for evaluator in [in_file(), in_file(), new(Precision::Bf16, 1 << 30)] {
        assert_eq!(scored(&evaluator.with_cache(cache("half"))), expected);
    }
    assert_eq!(scored(&new(Precision::F32, 1 << 30).with_cache(cache("wide"))), expected);
    assert_eq!(cache("wide").used().unwrap() - cache("half").used().unwrap(), 930 * 256);
    // `embed` always gives f32.
    let rows = |evaluator: DeepPrior| {
        let mut all = Vec::new();
        let keep = |_, rows: &[f32]| {
            all.extend_from_slice(rows);
            Ok::<(), dpnas::ScoreError>(())
        };
        evaluator.embed(&net(), Seed(1), keep).unwrap();
        all
    };
    assert_eq!(rows(half.with_cache(cache("half"))), rows(wide));
}

#[test]
fn an_engine_whose_rows_are_not_what_it_says_is_an_error() {
    let toy = Toy { rows: Some([Precision::F32, Precision::Bf16]), ..Toy::default() };
    let error = evaluator(&toy, config()).score(&net()).unwrap_err().to_string();
    assert!(error.contains("cannot be stored as bf16 without a change"), "{error}");
}

#[test]
fn an_engine_that_is_out_of_memory_goes_on_with_half_the_chunk() {
    let expected = scored(&evaluator(&Toy::default(), config()));
    let toy = Toy { room: Some(30), ..Toy::default() };
    assert_eq!(scored(&evaluator(&toy, config())), expected);
    let used = toy.used.lock().unwrap();
    // Chunks of 256, 128, 64 and 32 are too large; 16 fits and stays for later images.
    assert_eq!(used.measured_at_once, [16]);
    assert_eq!(used.encoded, [vec![16; 6], vec![12, 12, 16, 14]].concat());
}

#[test]
fn mini_batch_statistics_too_survive_an_engine_that_is_out_of_memory() {
    let mut config = config();
    config.norm = Normalisation { mode: NormMode::Reference, epsilon: 1e-4 };
    let expected = scored(&evaluator(&Toy::default(), config.clone()));
    let toy = Toy { room: Some(5), ..Toy::default() };
    assert_eq!(scored(&evaluator(&toy, config)), expected);
    assert!(toy.used.lock().unwrap().encoded.iter().all(|&images| images <= 5));
}

#[test]
fn an_engine_that_cannot_compute_one_image_is_out_of_memory() {
    for mode in [NormMode::Calibrated, NormMode::Reference, NormMode::None] {
        let mut config = config();
        config.norm.mode = mode;
        let toy = Toy { room: Some(0), ..Toy::default() };
        let outcome = evaluator(&toy, config).score(&net()).unwrap();
        assert_eq!(outcome, Outcome::OutOfMemory { reason: "toy is out of memory: CUDA_ERROR_OUT_OF_MEMORY".into() });
    }
}
