//! Journals: a run goes on from any, or says why not.

use crate::{Reading, folder, put, refused};
use dpnas::continual::ContinualJob;
use dpnas::grammar::{ImageShape, Net};
use dpnas::search::{Candidate, Evolution, Search, SearchSettings, Seed, SpaceSettings};
use dpnas::{
    Evaluate, EvaluateDraw, EvaluateError, Outcome, RunFolder, Runner, ScoreError, ScoringEvent, ScoringJob,
    ScoringRunner, Training,
};
use std::ops::ControlFlow;
use std::sync::Arc;
use tempfile::TempDir;

/// Rewards short architectures.
struct Short;

impl Short {
    fn score(net: &Net) -> Outcome {
        Outcome::scored(1.0 / net.layers().len() as f64)
    }
}

impl Evaluate for Short {
    fn identity(&self) -> String {
        "short".to_owned()
    }

    fn evaluate(&mut self, candidate: &Candidate) -> Result<Outcome, EvaluateError> {
        Ok(Self::score(&candidate.net))
    }
}

impl EvaluateDraw for Short {
    fn identity(&self) -> String {
        "short".to_owned()
    }

    fn evaluate_draw(&self, net: &Net, _weight_seed: Seed) -> Result<Outcome, ScoreError> {
        Ok(Self::score(net))
    }
}

/// The folder of a run with this journal.
fn run(journal: &'static str, bytes: &[u8]) -> TempDir {
    let folder = folder();
    put(folder.path().join("settings.toml"), b"");
    put(folder.path().join(journal), bytes);
    folder
}

/// The journal of a search by Q-learning, which then evaluates two more.
pub(crate) fn journal(bytes: &[u8]) -> Reading {
    search(bytes, false)
}

/// The journal of a search by evolution with a rung, which then evaluates two more.
pub(crate) fn rungs(bytes: &[u8]) -> Reading {
    search(bytes, true)
}

fn search(bytes: &[u8], has_rung: bool) -> Reading {
    let folder = run("journal.jsonl", bytes);
    let space = SpaceSettings::small().check(ImageShape::square(1, 8), 10).map_err(refused)?;
    let settings = SearchSettings { schedule: "1.0:6,0.1:4".parse().map_err(refused)?, ..SearchSettings::paper() };
    let folder = RunFolder::open(folder.path()).map_err(refused)?;
    let runner = match has_rung {
        false => Runner::new(Search::new(space, settings, Seed(0)).map_err(refused)?, Short),
        true => {
            let search = Search::with_strategy(space, settings, Arc::new(Evolution::default()), Seed(0));
            Runner::new(search.map_err(refused)?, Short).with_rung(Short)
        }
    };
    runner.in_folder(folder).with_limit(2).run().map(drop).map_err(refused)
}

/// The journal of a scoring run, which then scores two draws.
pub(crate) fn scores(bytes: &[u8]) -> Reading {
    let folder = run("scores.jsonl", bytes);
    let (folder, job) = ScoringJob::of_run(folder.path()).map_err(refused)?;
    let mut left = 3;
    let hook = move |_: &ScoringEvent<'_>| {
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut runner = ScoringRunner::new(job).scored_by(Training::Random, &Short).in_folder(folder).with_hook(hook);
    runner.run().map(drop).map_err(refused)
}

/// The journal of a run of continual learning.
pub(crate) fn continual(bytes: &[u8]) -> Reading {
    ContinualJob::of_run(run("continual.jsonl", bytes).path()).map(drop).map_err(refused)
}
