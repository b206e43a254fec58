//! One draw of weights for all architectures of a run, or one draw for each.

use crate::engine::{config, data};
use dpnas::grammar::Net;
use dpnas::kernels::{CpuEngine, Precision};
use dpnas::search::Seed;
use dpnas::{
    DeepPrior, DeepPriorConfig, Evaluate, EvaluateDraw, ScoringJob, ScoringRunner, Splits, Target, Training, WeightDraw,
};
use std::num::NonZeroUsize;

/// Nets with a common prefix.
const NETS: [&str; 3] = [
    "[C(16,3,1,1,1), C(16,3,1,1,1), P(2,2,0,0), C(24,3,1,1,1), SM(4)]",
    "[C(16,3,1,1,1), C(16,3,1,1,1), P(2,2,0,0), C(16,3,1,1,0), C(8,1,1,0,1), SM(4)]",
    "[C(16,3,1,1,1), C(16,3,1,1,1), C(24,3,1,1,1), SM(4)]",
];

fn net(text: &str) -> Net {
    text.parse().unwrap()
}

fn deep_prior(draw: WeightDraw) -> DeepPrior {
    let calibration_images = NonZeroUsize::new(40).unwrap();
    let config = DeepPriorConfig { draw, calibration_images, ..config() };
    let engine = CpuEngine::new(Precision::F32).unwrap();
    DeepPrior::new(Box::new(engine), Splits::hold_out(&data(), Seed(1)).unwrap(), config)
}

#[test]
fn a_draw_for_each_candidate_is_the_same_whenever_it_is_scored() {
    let scores = |draw| NETS.map(|text| deep_prior(draw).score(&net(text)).unwrap());
    let outcomes = scores(WeightDraw::PerCandidate);
    assert!(outcomes.iter().zip(&scores(WeightDraw::PerSearch)).all(|(one, other)| one != other));
    // The score does not depend on other architectures or their order, and equals that of the derived seed.
    let prior = deep_prior(WeightDraw::PerCandidate);
    for (text, outcome) in NETS.iter().zip(&outcomes).rev() {
        let net = net(text);
        assert!(prior.score(&net).unwrap() == *outcome);
        let seed = WeightDraw::PerCandidate.seed(prior.config().weight_seed, &net);
        assert!(deep_prior(WeightDraw::PerSearch).evaluate_draw(&net, seed).unwrap() == *outcome);
    }
    let identity = |draw| Evaluate::identity(&deep_prior(draw));
    assert!(identity(WeightDraw::PerCandidate).contains("by candidate from seed 1"));
    assert_ne!(identity(WeightDraw::PerCandidate), identity(WeightDraw::PerSearch));
}

#[test]
fn draw_0_of_a_scoring_run_has_each_candidates_own_weights() {
    let prior = deep_prior(WeightDraw::PerCandidate);
    let targets: Vec<Target> = NETS[..2].iter().map(|text| Target::given(net(text))).collect();
    let job = ScoringJob { targets, seed: prior.config().weight_seed, draws: 2, weights: WeightDraw::PerCandidate };
    let report = ScoringRunner::new(job.clone()).scored_by(Training::Random, &prior).run().unwrap();
    let seeds: Vec<Seed> = report.draws.iter().map(|draw| draw.seed).collect();
    let own = |text: &str, draw| job.seed_of(&net(text), draw);
    assert_eq!(seeds, [own(NETS[0], 0), own(NETS[0], 1), own(NETS[1], 0), own(NETS[1], 1)]);
    assert_eq!(own(NETS[0], 0), WeightDraw::PerCandidate.seed(job.seed, &net(NETS[0])));
    assert!(
        report.draws.iter().step_by(2).zip(NETS).all(|(draw, text)| draw.outcome == prior.score(&net(text)).unwrap())
    );
}
