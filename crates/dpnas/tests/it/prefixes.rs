//! Maps that architectures leave for those which begin alike: less is computed, and no score changes.

use crate::engine::{config, data};
use dpnas::cache::Cache;
use dpnas::grammar::{ImageShape, Net, Plan};
use dpnas::kernels::{CpuEngine, Precision};
use dpnas::prior::{Encode, Engine, EngineError, EngineMemory, NormMode, Prior};
use dpnas::search::{Search, SearchSettings, Seed, SpaceSettings};
use dpnas::{
    DeepPrior, DeepPriorConfig, Encoding, Evaluate, Outcome, Runner, Score, ScoreDraw, ScoreJob, ScoreRunner, Splits,
    Target, Training, WeightDraw,
};
use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;

/// They begin alike, go apart, and one is the beginning of another.
const NETS: [&str; 6] = [
    "[C(16,3,1,1,1), C(16,3,1,1,1), P(2,2,0,0), C(24,3,1,1,1), SM(4)]",
    "[C(16,3,1,1,1), C(16,3,1,1,1), P(2,2,0,0), C(16,3,1,1,0), C(8,1,1,0,1), SM(4)]",
    "[C(16,3,1,1,1), C(16,3,1,1,1), P(2,2,0,0), C(24,3,1,1,1), P(3,1,0,0), C(16,1,1,0,1), SM(4)]",
    "[C(16,3,1,1,1), C(16,3,1,1,1), C(24,3,1,1,1), SM(4)]",
    "[P(2,2,0,0), C(16,3,1,1,0), C(16,3,1,1,0), SM(4)]",
    "[P(2,2,0,0), C(16,3,1,1,0), C(16,3,1,1,0), P(2,1,0,0), SM(4)]",
];

fn net(text: &str) -> Net {
    text.parse().unwrap()
}

fn with(prefix_budget: u64) -> DeepPriorConfig {
    let mut config = config();
    config.calibration_images = NonZeroUsize::new(40).unwrap();
    config.prefix_budget = prefix_budget;
    config.prefix_worth = 8.0; // these maps and architectures are small
    config
}

fn deep_prior(engine: impl Engine + 'static, config: DeepPriorConfig) -> DeepPrior {
    DeepPrior::new(Box::new(engine), Splits::hold_out(&data(), Seed(1)).unwrap(), config)
}

fn f32_engine() -> CpuEngine {
    CpuEngine::new(Precision::F32).unwrap()
}

/// The scores of all nets, one after the other, and what embedding them took.
fn scores(engine: impl Engine + 'static, config: DeepPriorConfig) -> (Vec<Outcome>, Vec<Encoding>) {
    let (encodings, prior) = hooked(deep_prior(engine, config));
    let outcomes = NETS.iter().map(|text| prior.score(&net(text)).unwrap()).collect();
    (outcomes, encodings.take())
}

fn hooked(prior: DeepPrior) -> (Rc<RefCell<Vec<Encoding>>>, DeepPrior) {
    let encodings: Rc<RefCell<Vec<Encoding>>> = Rc::default();
    let into = Rc::clone(&encodings);
    (encodings, prior.with_encoding_hook(move |encoding| into.borrow_mut().push(encoding.clone())))
}

fn reused(encodings: &[Encoding]) -> Vec<usize> {
    encodings.iter().map(|encoding| encoding.reused_layers).collect()
}

#[test]
fn what_is_kept_changes_no_score_whatever_the_normalisation_and_the_precision() {
    for mode in [NormMode::Calibrated, NormMode::Reference, NormMode::None] {
        for precision in [Precision::F32, Precision::Bf16] {
            let run = |budget| {
                let mut config = with(budget);
                config.norm.mode = mode;
                scores(CpuEngine::new(precision).unwrap(), config)
            };
            let (expected, alone) = run(0);
            assert_eq!(reused(&alone), [0; 6]);
            assert!(alone.iter().all(|encoding| encoding.kept_prefixes == 0 && encoding.kept_bytes == 0));
            let (outcomes, encodings) = run(1 << 30);
            assert!(outcomes == expected, "{mode} {precision}");
            assert_eq!(reused(&encodings), [0, 3, 4, 0, 0, 3], "{mode} {precision}");
            let multiply_adds =
                |encodings: &[Encoding]| encodings.iter().map(|it| it.multiply_adds).collect::<Vec<_>>();
            assert_eq!(multiply_adds(&encodings), multiply_adds(&alone));
        }
    }
}

#[test]
fn under_a_small_budget_maps_are_evicted_and_no_score_changes() {
    let (expected, _) = scores(f32_engine(), with(0));
    let mut reusing = Vec::new();
    for budget in [1, 40_000, 160_000, 250_000, 700_000] {
        let (outcomes, encodings) = scores(f32_engine(), with(budget));
        assert!(outcomes == expected, "{budget}");
        assert!(encodings.iter().all(|encoding| encoding.kept_bytes <= budget), "{encodings:?}");
        reusing.push(encodings.iter().filter(|encoding| encoding.reused_layers > 0).count());
    }
    assert!(reusing[0] == 0 && reusing[4] > reusing[2] && reusing[2] > 0, "{reusing:?}");
    // More was kept on the way than the budget holds: something went.
    let (_, encodings) = scores(f32_engine(), with(250_000));
    let made: u64 = scores(f32_engine(), with(1 << 30)).1.last().unwrap().kept_bytes;
    assert!(encodings.last().unwrap().kept_bytes < made);
}

#[test]
fn a_search_is_the_same_with_and_without_what_is_kept() {
    let run = |budget: u64| {
        let mut space = SpaceSettings::small();
        (space.features, space.max_depth) = (vec![16, 32], 4);
        let space = space.check(ImageShape::square(1, 8), 4).unwrap();
        let settings = SearchSettings { schedule: "1.0:12,0.1:12".parse().unwrap(), ..SearchSettings::paper() };
        let (encodings, prior) = hooked(deep_prior(f32_engine(), with(budget)));
        let rows = Runner::new(Search::new(space, settings, Seed(3)).unwrap(), prior).run().unwrap().rows;
        (rows, encodings.take())
    };
    let (expected, _) = run(0);
    for budget in [700_000, 1 << 30] {
        let (rows, encodings) = run(budget);
        assert!(rows == expected, "{budget}");
        assert!(reused(&encodings).iter().any(|&layers| layers > 0), "{budget}");
    }
}

#[test]
fn a_draw_for_each_candidate_shares_nothing_and_is_the_same_whenever_it_is_scored() {
    let per_candidate = || DeepPriorConfig { draw: WeightDraw::PerCandidate, ..with(1 << 30) };
    let (outcomes, encodings) = scores(f32_engine(), per_candidate());
    assert!(encodings.iter().all(|it| it.reused_layers == 0 && it.kept_prefixes == 0));
    let (per_search, _) = scores(f32_engine(), with(0));
    assert!(outcomes.iter().zip(&per_search).all(|(one, other)| one != other));
    // Alone, in another order and by the seed itself, it is the same.
    let prior = deep_prior(f32_engine(), per_candidate());
    for (text, outcome) in NETS.iter().zip(&outcomes).rev() {
        let net = net(text);
        assert!(prior.score(&net).unwrap() == *outcome);
        let seed = WeightDraw::PerCandidate.seed(prior.config().weight_seed, &net);
        assert!(deep_prior(f32_engine(), with(0)).score_draw(&net, seed).unwrap() == *outcome);
    }
    let identity = |config| Evaluate::identity(&deep_prior(f32_engine(), config));
    assert!(identity(per_candidate()).contains("by candidate from seed 1"), "{}", identity(per_candidate()));
    assert_ne!(identity(per_candidate()), identity(with(0)));
    assert_eq!(identity(with(1 << 30)), identity(with(0)));
}

#[test]
fn draw_0_of_a_scoring_run_has_each_candidates_own_weights() {
    let prior = deep_prior(f32_engine(), DeepPriorConfig { draw: WeightDraw::PerCandidate, ..with(0) });
    let targets: Vec<Target> = NETS[..2].iter().map(|text| Target::given(net(text))).collect();
    let job = ScoreJob { targets, seed: prior.config().weight_seed, draws: 2, weights: WeightDraw::PerCandidate };
    let report = ScoreRunner::new(job.clone()).scored_by(Training::Random, &prior).run().unwrap();
    let seeds: Vec<Seed> = report.draws.iter().map(|draw| draw.seed).collect();
    let own = |text: &str, draw| job.seed_of(&net(text), draw);
    assert_eq!(seeds, [own(NETS[0], 0), own(NETS[0], 1), own(NETS[1], 0), own(NETS[1], 1)]);
    assert_eq!(own(NETS[0], 0), WeightDraw::PerCandidate.seed(job.seed, &net(NETS[0])));
    assert!(
        report.draws.iter().step_by(2).zip(NETS).all(|(draw, text)| draw.outcome == prior.score(&net(text)).unwrap())
    );
}

#[test]
fn draws_do_not_use_each_others_maps() {
    let prior = deep_prior(f32_engine(), with(1 << 30));
    let (encodings, prior) = hooked(prior);
    let score = |text: &str, seed| prior.score_draw(&net(text), Seed(seed)).unwrap();
    let order = [(1, NETS[0]), (2, NETS[1]), (1, NETS[2]), (2, NETS[0])];
    let kept: Vec<Outcome> = order.iter().map(|(seed, text)| score(text, *seed)).collect();
    assert_eq!(reused(&encodings.borrow()), [0, 0, 4, 3]);
    let alone = deep_prior(f32_engine(), with(0));
    let expected = order.iter().map(|(seed, text)| alone.score_draw(&net(text), Seed(*seed)).unwrap());
    assert!(kept.into_iter().eq(expected));
}

#[test]
fn an_embedding_that_is_stored_is_taken_before_any_maps() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let prior = deep_prior(f32_engine(), with(1 << 30));
        hooked(prior.with_cache(Cache::open(folder.path(), 1 << 30).unwrap()))
    };
    let score = |prior: &DeepPrior| NETS.map(|text| prior.score(&net(text)).unwrap());
    let (encodings, prior) = open();
    let first = score(&prior);
    assert_eq!(encodings.take().len(), 6);
    assert!(score(&prior) == first && score(&open().1) == first);
    assert!(encodings.take().is_empty());
}

#[test]
fn which_architecture_is_out_of_memory_does_not_depend_on_what_is_kept() {
    let out = |memory_budget: u64, prefix_budget: u64| {
        let config = DeepPriorConfig { memory_budget, ..with(prefix_budget) };
        let (outcomes, encodings) = scores(f32_engine(), config);
        assert!(encodings.iter().all(|it| it.kept_bytes <= memory_budget));
        let reused: usize = reused(&encodings).iter().sum();
        (outcomes, reused)
    };
    let mut reuses = 0;
    let mut left_out = Vec::new();
    for power in 14..30 {
        for budget in [1 << power, 3 << (power - 1)] {
            let (expected, _) = out(budget, 0);
            let (outcomes, reused) = out(budget, u64::MAX);
            assert!(outcomes == expected, "{budget} bytes");
            reuses += usize::from(reused > 0);
            left_out.push(expected.iter().filter(|it| matches!(it, Outcome::OutOfMemory { .. })).count());
        }
    }
    left_out.dedup();
    assert!(left_out.len() > 2 && left_out.first() == Some(&6) && left_out.last() == Some(&0), "{left_out:?}");
    assert!(reuses > 4, "{reuses}");
}

/// An engine that is out of memory with anything that does not begin with the images.
struct NoParts(CpuEngine);

impl Engine for NoParts {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn load(&self, prior: &Prior) -> Result<Box<dyn Encode>, EngineError> {
        match prior.first_stage() {
            0 => self.0.load(prior),
            _ => Err(EngineError::Device { engine: "no parts".into(), message: "out of memory".into() }),
        }
    }

    fn memory(&self, plan: &Plan) -> EngineMemory {
        self.0.memory(plan)
    }
}

#[test]
fn what_is_kept_goes_where_the_memory_gives_out_and_the_whole_is_computed() {
    let (expected, _) = scores(f32_engine(), with(0));
    let (outcomes, encodings) = scores(NoParts(f32_engine()), with(1 << 30));
    assert!(outcomes == expected);
    assert_eq!(reused(&encodings), [0; 6]);
}

#[test]
fn the_report_of_an_embedding_adds_up() {
    let (_, encodings) = scores(f32_engine(), with(1 << 30));
    for (text, encoding) in NETS.iter().zip(encodings) {
        let plan = net(text).plan(ImageShape::square(1, 8)).unwrap();
        assert_eq!((&encoding.net, encoding.layers), (&net(text), plan.stages().len()));
        let first = plan.part(0..encoding.reused_layers).unwrap().multiply_adds();
        assert_eq!((encoding.multiply_adds, encoding.reused_multiply_adds), (plan.multiply_adds(), first));
        assert!(encoding.seconds > 0.0);
    }
    let scored = |outcome| matches!(outcome, Outcome::Scored(Score { train_flag: true, .. }));
    assert!(scores(f32_engine(), with(0)).0.into_iter().any(scored), "nothing is learnt");
}
