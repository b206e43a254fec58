//! What is to be learned, and whether it can be.

use super::event::Event;
use super::runner::JOURNAL;
use super::{ClassOrder, ContinualError, Ewc, Input, Method, MethodSettings, RowSource, Steps};
use crate::RunFolder;
use crate::run::journal::Journal;
use dpnas_heads::Statistics;
use dpnas_seed::Seed;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// What is to be learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContinualJob {
    /// The methods; the others are compared with the first.
    pub methods: Vec<Method>,
    /// How the training rows are cut into steps.
    pub steps: Steps,
    /// The orders in which classes appear.
    pub orders: Vec<ClassOrder>,
    /// Draws of the encoder's weights.
    pub draws: u32,
    /// The seed of the order of rows, of random features and of memories.
    pub seed: Seed,
    /// Most rows that a method sees at once.
    pub block: usize,
    /// Settings of the methods.
    pub settings: MethodSettings,
}

impl ContinualJob {
    /// Opens the folder of an earlier run and reads its job.
    ///
    /// # Errors
    /// If it is not the folder of such a run, or its journal is damaged or in use.
    pub fn of_run(path: impl Into<std::path::PathBuf>) -> Result<(RunFolder, Self), ContinualError> {
        let folder = RunFolder::open_with(path, JOURNAL)?;
        let (_, events) = Journal::resume_with::<Event>(&folder.file(JOURNAL))?;
        match events.into_iter().next() {
            Some(Event::Begun { job, .. }) => Ok((folder, job)),
            _ => Err(ContinualError::Diverged { found: "no first line of a run".to_owned() }),
        }
    }

    /// Without the number of threads, on which no result depends.
    pub(crate) fn comparable(&self) -> Self {
        let mut job = self.clone();
        job.settings.probe.threads = NonZeroUsize::MIN;
        job
    }
}

/// Most streams of a run.
const MOST_STREAMS: u64 = 1_000_000;

/// Checks a job beside the rows that are to be learned, before any is computed.
pub(crate) fn check(job: &ContinualJob, source: &dyn RowSource, budget: u64) -> Result<(), ContinualError> {
    let fail = |problem: String| Err(ContinualError::Job { problem });
    let counts = [
        ("methods", job.methods.len() as u64),
        ("class orders", job.orders.len() as u64),
        ("draws", u64::from(job.draws)),
        ("rows at once", job.block as u64),
        ("test rows", source.test_labels().len() as u64),
    ];
    if let Some((what, _)) = counts.iter().find(|(_, count)| *count == 0) {
        return fail(format!("nothing to learn: there are 0 {what}, and must be some"));
    }
    let streams = counts[..3].iter().fold(1u64, |streams, (_, count)| streams.saturating_mul(*count));
    if streams > MOST_STREAMS {
        return fail(format!("{streams} streams (methods × orders × draws): at most {MOST_STREAMS} fit one run"));
    }
    Ewc::check_strength(job.settings.ewc_strength)?;
    let embedded = source.features(Input::Embedding).unwrap_or_default();
    for (at, method) in job.methods.iter().enumerate() {
        if job.methods[..at].contains(method) {
            return fail(format!("method {method} is named twice"));
        }
        let Some(features) = source.features(method.input()) else {
            return fail(format!(
                "{method} learns from pixels, which a stored embedding lacks: use --net, or leave it out"
            ));
        };
        if !method.trains_with_adam() || *method == Method::PseudoRehearsal {
            let features = job.settings.state_features(*method, features, embedded);
            if features == 0 {
                return fail(format!("{method} makes 0 features of a row: use at least one"));
            }
            // Pseudo-rehearsal has statistics of the present and of earlier steps.
            let share = if *method == Method::PseudoRehearsal { budget / 2 } else { budget };
            Statistics::check_budget(features, source.classes() as usize, share)?;
        }
    }
    if let Some(draws) = source.draws().filter(|&draws| job.draws > draws) {
        return fail(format!(
            "there are rows of {draws} draws and not of {}: a stored embedding has one, use --net for several",
            job.draws
        ));
    }
    let classes = source.classes() as usize;
    let mut trained = vec![false; classes];
    for &label in source.train_labels() {
        if let Some(trained) = trained.get_mut(label as usize) {
            *trained = true;
        }
    }
    if let Some(class) = (0..classes).find(|&class| !trained[class]) {
        return fail(format!("class {class} has no training rows: name the others with --classes, or add some"));
    }
    if matches!(job.steps, Steps::Data(_)) && job.orders.len() > 1 {
        return fail("steps of the rows in their order have no class order: use one order".to_owned());
    }
    // Rows of each input, and a copy of the training rows where Adam works on all rows of a step.
    let (train, test) = (source.train_labels().len() as u64, source.test_labels().len() as u64);
    let rows_of = |input: Input| {
        let of_input = || job.methods.iter().filter(|method| method.input() == input);
        let copies = u64::from(of_input().any(|method| method.trains_with_adam()));
        if of_input().next().is_some() { train * (1 + copies) + test } else { 0 }
    };
    let numbers = |input: Input| rows_of(input).saturating_mul(source.features(input).unwrap_or(0) as u64);
    let random = |method: &Method| match (method, source.features(method.input()).unwrap_or_default()) {
        (Method::ProjectedRidge | Method::Randumb, features) => {
            (job.settings.state_features(*method, features, embedded) as u64).saturating_mul(features as u64)
        }
        _ => 0,
    };
    let weights = job.methods.iter().map(random).max().unwrap_or(0);
    let needed = [numbers(Input::Embedding), numbers(Input::Pixels), weights];
    let needed = needed.into_iter().fold(0u64, u64::saturating_add).saturating_mul(4);
    if needed > budget {
        let part = budget as f64 / needed as f64;
        return fail(format!(
            "the rows and random features take {needed} bytes, the memory budget is {budget} bytes: about {} of the \
             {train} training rows would fit. Raise --memory-budget, use --limit-train, or a net with fewer features",
            (train as f64 * part) as u64
        ));
    }
    Ok(())
}
