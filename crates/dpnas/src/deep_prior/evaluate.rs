//! `Evaluate` and `EvaluateDraw` for `DeepPrior`.

use crate::full_training::check_classes;
use crate::{DeepPrior, Evaluate, EvaluateDraw, EvaluateError, Outcome, ScoreError};
use dpnas_grammar::Net;
use dpnas_search::Candidate;
use dpnas_seed::Seed;

impl EvaluateDraw for DeepPrior {
    fn evaluate_draw(&self, net: &Net, weight_seed: Seed) -> Result<Outcome, ScoreError> {
        self.score_with(net, weight_seed)
    }

    fn check(&self, net: &Net) -> Result<(), ScoreError> {
        check_classes(net, self.splits())?;
        self.plan(net).map(drop)
    }

    fn identity(&self) -> String {
        format!("{}; test {}", self.describe("by draw"), self.config().probe.test)
    }
}

impl Evaluate for DeepPrior {
    fn identity(&self) -> String {
        self.describe(&self.config().draw.describe(self.config().weight_seed))
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        self.score(&candidate.net).map_err(|error| EvaluateError::of(&candidate.net, error))
    }
}
