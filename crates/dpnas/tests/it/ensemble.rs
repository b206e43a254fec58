//! Ensembles of encoders under one ridge regression.

use crate::engine::{Toy, config, data_of};
use dpnas::grammar::Net;
use dpnas::heads::{HeadError, leave_one_out};
use dpnas::seed::Seed;
use dpnas::store::{Member, SplitName};
use dpnas::{
    DeepPrior, DeepPriorConfig, EnsembleConfig, EnsembleEvent, EnsembleStep, Head, Metrics, Outcome, ScoreError, Splits,
};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const NETS: [&str; 4] = [
    "[C(8,3,1,1,1), P(4,4,0,0), SM(4)]",
    "[C(4,5,1,2,1), P(4,4,0,0), SM(4)]",
    "[C(8,3,1,1,1), C(4,3,1,1,1), P(4,4,0,0), SM(4)]",
    "[C(2,1,1,0,1), P(8,8,0,0), SM(4)]",
];

fn prior() -> DeepPrior {
    let config = DeepPriorConfig { head: Head::Ridge, ..config() };
    DeepPrior::new(Box::new(Toy::default()), Splits::hold_out(&data_of(300), Seed(1)).unwrap(), config)
}

fn nets() -> Vec<Net> {
    NETS.iter().map(|net| net.parse().unwrap()).collect()
}

fn choice(size: usize, most_features: usize) -> EnsembleConfig {
    // More images than there are: all of them decide.
    let number = |n| NonZeroUsize::new(n).unwrap();
    EnsembleConfig { size: number(size), most_features, images: number(10_000) }
}

fn chosen(prior: &DeepPrior, config: &EnsembleConfig) -> Vec<EnsembleStep> {
    prior.choose_ensemble(&nets(), config, &mut |_| {}).unwrap()
}

/// The rows of training and validation images, and their number of features.
fn rows_of(prior: &DeepPrior, net: &Net) -> (Vec<f32>, usize) {
    let mut rows = Vec::new();
    let keep = |split: SplitName, block: &[f32]| {
        if split != SplitName::Test {
            rows.extend_from_slice(block);
        }
        Ok::<(), ScoreError>(())
    };
    prior.embed(net, prior.config().weight_seed, keep).unwrap();
    let images = prior.splits().train.len() + prior.splits().valid.len();
    (rows.clone(), rows.len() / images)
}

/// Leave-one-out error of the rows of some nets side by side.
fn error_of(prior: &DeepPrior, nets: &[&Net]) -> f64 {
    let parts: Vec<(Vec<f32>, usize)> = nets.iter().map(|net| rows_of(prior, net)).collect();
    let labels = [prior.splits().train.labels(), prior.splits().valid.labels()].concat();
    let features = parts.iter().map(|(_, features)| features).sum();
    let fitted = leave_one_out::<HeadError>(features, &labels, |range, out| {
        for (row, out) in range.zip(out.chunks_exact_mut(features)) {
            let values = parts.iter().flat_map(|(rows, features)| &rows[row * features..(row + 1) * features]);
            out.iter_mut().zip(values).for_each(|(out, value)| *out = *value);
        }
        Ok(())
    });
    fitted.unwrap().error
}

#[test]
fn each_member_is_the_one_with_the_smallest_joint_error() {
    let (prior, nets) = (prior(), nets());
    let steps = chosen(&prior, &choice(4, 10_000));
    assert!(steps.len() >= 2, "{steps:?}");
    let mut members: Vec<&Net> = Vec::new();
    for step in &steps {
        let errors: Vec<(f64, &Net)> = nets
            .iter()
            .filter(|net| !members.contains(net))
            .map(|net| (error_of(&prior, &[&members[..], &[net]].concat()), net))
            .collect();
        let (error, net) = errors.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        assert_eq!(&step.member.net, net);
        assert!((step.error / error - 1.0).abs() < 1e-9, "{} {error}", step.error);
        members.push(net);
    }
    // It ends where no candidate lowers the error.
    assert!(steps.windows(2).all(|pair| pair[1].error < pair[0].error));
}

#[test]
fn an_ensemble_of_one_scores_as_the_net_and_more_features_change_the_score() {
    let (prior, nets) = (prior(), nets());
    let member = |net: &Net| Member { net: net.clone(), weight_seed: prior.config().weight_seed };
    let alone: Metrics = prior.score_ensemble(&[member(&nets[0])]).unwrap();
    assert_eq!(Outcome::Scored(alone.clone()), prior.score(&nets[0]).unwrap());
    let joint = prior.score_ensemble(&[member(&nets[0]), member(&nets[1])]).unwrap();
    assert!(joint.reward > alone.reward, "{} {}", joint.reward, alone.reward);
    let swapped = prior.score_ensemble(&[member(&nets[1]), member(&nets[0])]).unwrap();
    assert!((swapped.reward - joint.reward).abs() < 0.01);
}

#[test]
fn features_and_size_are_limits_and_a_candidate_that_cannot_be_a_member_is_told() {
    let prior = prior();
    assert_eq!(chosen(&prior, &choice(1, 10_000)).len(), 1);
    let (_, widest) = rows_of(&prior, &nets()[0]);
    let mut left_out = Vec::new();
    let steps = prior
        .choose_ensemble(&nets(), &choice(4, widest - 1), &mut |event| {
            if let EnsembleEvent::LeftOut { candidate, reason } = event {
                left_out.push((candidate, reason.to_owned()));
            }
        })
        .unwrap();
    let reason = format!("it has {widest} features, all members may have {}", widest - 1);
    assert_eq!(left_out, [(0, reason)]);
    assert!(steps.iter().all(|step| step.features < widest), "{steps:?}");
}

#[test]
fn a_stop_flag_ends_the_choice() {
    let prior = prior().with_stop_flag(Arc::new(AtomicBool::new(true)));
    let error = prior.choose_ensemble(&nets(), &choice(2, 10_000), &mut |_| {}).unwrap_err();
    assert!(matches!(error, ScoreError::Interrupted), "{error}");
}
