//! Learners that train a linear classifier with Adam.

use crate::{LearnError, Learner};
use dpnas_heads::{HeadError, LinearHead, check_rows};
use dpnas_seed::{Rng, Seed};
use dpnas_train::{Epoch, Labelled, LinearClassifier, ProbeConfig, fit_from};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows of earlier steps that a learner keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// None: fine-tuning, the lower bound.
    Nothing,
    /// A uniform sample of this many rows of the stream (reservoir sampling; Chaudhry et al., 2019).
    Reservoir(usize),
    /// This many rows, as many of each class as possible: in a full memory, a row of a smaller class takes the place of a
    /// random row of the largest class (GDumb; Prabhu et al., 2020).
    Balanced(usize),
}

/// A linear classifier with an output for each class, trained with Adam on the rows of each step and of a memory.
#[derive(Debug)]
pub struct Adam {
    config: ProbeConfig,
    memory: Memory,
    classifier: LinearClassifier,
    trained: bool,
    step: Rows,
    kept: Rows,
    /// Rows of the stream that were offered to the memory.
    seen: u64,
    rng: Rng,
    stop: Arc<AtomicBool>,
}

/// Labelled rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) values: Vec<f32>,
    pub(crate) labels: Vec<u32>,
}

impl Rows {
    /// Adds rows, if they are right.
    pub(crate) fn push(
        &mut self,
        values: &[f32],
        labels: &[u32],
        features: usize,
        classes: u32,
    ) -> Result<(), LearnError> {
        let rows = check_rows(values, features)?;
        if rows != labels.len() {
            return Err(HeadError::Labels { labels: labels.len(), rows }.into());
        }
        if let Some(&label) = labels.iter().find(|&&label| label >= classes) {
            return Err(LearnError::Label { label, classes });
        }
        self.values.extend_from_slice(values);
        self.labels.extend_from_slice(labels);
        Ok(())
    }
}

/// The class of each row.
pub(crate) fn predictions(classifier: &LinearClassifier, values: &[f32]) -> Result<Vec<u32>, LearnError> {
    check_rows(values, classifier.features())?;
    let logits = classifier.logits(values)?;
    let best = |scores: &[f32]| (1..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best });
    Ok(logits.chunks_exact(classifier.classes() as usize).map(|scores| best(scores) as u32).collect())
}

/// The classifier as a head without biases.
pub(crate) fn head_of(classifier: &LinearClassifier) -> Option<LinearHead> {
    let weights = classifier.weights().iter().copied().map(f64::from).collect();
    let biases = vec![0.0; classifier.classes() as usize];
    LinearHead::new((0..classifier.classes()).collect(), weights, biases).ok()
}

impl Adam {
    /// A learner of rows with `features` values and labels below `classes`. `config` gives the epochs of each step; the check
    /// of early stopping is left out.
    ///
    /// # Errors
    /// If a setting is out of range, or the weights do not fit the memory.
    pub fn new(config: &ProbeConfig, features: usize, classes: u32, memory: Memory) -> Result<Self, LearnError> {
        let config = ProbeConfig { early_stopping_threshold: 0.0, ..config.clone() };
        config.check().map_err(dpnas_train::TrainError::from)?;
        Ok(Self {
            memory,
            classifier: LinearClassifier::initial(config.seed, classes, features)?,
            trained: false,
            step: Rows::default(),
            kept: Rows::default(),
            seen: 0,
            rng: config.seed.stream("replay memory", 0).rng(),
            stop: Arc::default(),
            config,
        })
    }

    /// Ends the training of a step between epochs once the flag is set.
    #[must_use]
    pub fn with_stop_flag(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    pub(crate) fn features(&self) -> usize {
        self.classifier.features()
    }

    pub(crate) fn seed(&self) -> Seed {
        self.config.seed
    }

    /// Offers the rows of the step to the memory, in their order.
    fn keep(&mut self, step: Rows) {
        let features = self.classifier.features();
        let (Memory::Reservoir(rows) | Memory::Balanced(rows)) = self.memory else { return };
        for (row, label) in step.values.chunks_exact(features).zip(step.labels) {
            self.seen += 1;
            if self.kept.labels.len() < rows {
                self.kept.values.extend_from_slice(row);
                self.kept.labels.push(label);
            } else if let Some(place) = self.place(label) {
                self.kept.values[place * features..][..features].copy_from_slice(row);
                self.kept.labels[place] = label;
            }
        }
    }

    /// The place in a full memory that a row of this class takes; `None` if the row is not kept.
    fn place(&mut self, label: u32) -> Option<usize> {
        let rows = self.kept.labels.len();
        if let Memory::Reservoir(_) = self.memory {
            let draw = self.rng.below(self.seen) as usize;
            return (draw < rows).then_some(draw);
        }
        let mut counts = BTreeMap::new();
        self.kept.labels.iter().for_each(|&label| *counts.entry(label).or_insert(0usize) += 1);
        // The lowest label of the largest classes.
        let (&largest, &most) = counts.iter().rev().max_by_key(|(_, count)| **count)?;
        if counts.get(&label).is_some_and(|&own| own == most) {
            return None;
        }
        let places: Vec<usize> = (0..rows).filter(|&place| self.kept.labels[place] == largest).collect();
        Some(places[self.rng.below(places.len() as u64) as usize])
    }
}

impl Learner for Adam {
    fn learn(&mut self, values: &[f32], labels: &[u32]) -> Result<(), LearnError> {
        self.step.push(values, labels, self.classifier.features(), self.classifier.classes())
    }

    fn end_step(&mut self) -> Result<(), LearnError> {
        let features = self.classifier.features();
        let own = self.step.labels.len();
        let mut rows = std::mem::take(&mut self.step);
        rows.values.extend_from_slice(&self.kept.values);
        rows.labels.extend_from_slice(&self.kept.labels);
        if rows.labels.is_empty() {
            return Ok(());
        }
        let train = Labelled::new(&rows.values, &rows.labels, features)?;
        // The validation accuracy of an epoch is not used; one row costs nothing.
        let valid = Labelled::new(&rows.values[..features], &rows.labels[..1], features)?;
        let stopped = || self.stop.load(Ordering::Relaxed);
        let mut flow = |_: &Epoch| if stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let fitted = fit_from(&self.config, self.classifier.clone(), train, valid, None, &mut flow)?;
        if stopped() {
            return Err(LearnError::Interrupted);
        }
        self.classifier = fitted.classifier;
        self.trained = true;
        rows.values.truncate(own * features);
        rows.labels.truncate(own);
        self.keep(rows);
        Ok(())
    }

    fn predict(&self, values: &[f32]) -> Result<Vec<u32>, LearnError> {
        if !self.trained {
            return Err(LearnError::Untrained);
        }
        predictions(&self.classifier, values)
    }

    fn state_bytes(&self) -> u64 {
        4 * self.classifier.weights().len() as u64
    }

    fn exemplar_bytes(&self) -> u64 {
        4 * (self.kept.values.len() + self.kept.labels.len()) as u64
    }

    fn head(&self) -> Option<LinearHead> {
        self.trained.then(|| head_of(&self.classifier)).flatten()
    }
}
