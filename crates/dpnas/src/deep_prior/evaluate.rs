//! The deep prior as what a search and a scoring run ask for.

use crate::full_training::check_classes;
use crate::prefixes::Foresee;
use crate::{DeepPrior, Evaluate, EvaluateError, Outcome, ScoreDraw, ScoreError};
use dpnas_grammar::{Layer, Net};
use dpnas_search::{Candidate, Forecast};
use dpnas_seed::Seed;

impl ScoreDraw for DeepPrior {
    fn score_draw(&self, net: &Net, weight_seed: Seed) -> Result<Outcome, ScoreError> {
        self.score_with(net, weight_seed, None)
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
        self.evaluate_foreseeing(candidate, None)
    }

    fn evaluate_foreseeing(
        &mut self,
        candidate: &Candidate,
        forecast: Option<&Forecast<'_>>,
    ) -> Result<Outcome, EvaluateError> {
        let net = &*candidate.net;
        let share = |layers: &[Layer]| forecast.map_or(0.0, |forecast| forecast.share(layers));
        let foresee: Option<&Foresee<'_>> = if forecast.is_some() { Some(&share) } else { None };
        let seed = self.config().draw.seed(self.config().weight_seed, net);
        self.score_with(net, seed, foresee).map_err(|error| EvaluateError::of(net, error))
    }
}
