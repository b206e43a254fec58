//! Learners that train a linear classifier with Adam.

use crate::{LearnError, Learner};
use dpnas_heads::check_rows;
use dpnas_seed::Rng;
use dpnas_train::{Labelled, LinearClassifier, ProbeConfig, fit_from};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Rows of earlier steps that a learner keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// None: fine-tuning, the lower bound.
    Nothing,
    /// All, and each step trains from the initial weights: joint training, the upper bound.
    Everything,
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
}

/// Labelled rows.
#[derive(Clone, Debug, Default)]
struct Rows {
    values: Vec<f32>,
    labels: Vec<u32>,
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
            config,
        })
    }

    /// Offers the rows of the step to the memory, in their order.
    fn keep(&mut self) {
        let features = self.classifier.features();
        let step = std::mem::take(&mut self.step);
        if self.memory == Memory::Everything {
            self.kept.values.extend(step.values);
            self.kept.labels.extend(step.labels);
            return;
        }
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
        let rows = check_rows(values, self.classifier.features())?;
        if rows != labels.len() {
            return Err(dpnas_heads::HeadError::Labels { labels: labels.len(), rows }.into());
        }
        self.step.values.extend_from_slice(values);
        self.step.labels.extend_from_slice(labels);
        Ok(())
    }

    fn end_step(&mut self) -> Result<(), LearnError> {
        let features = self.classifier.features();
        let mut rows = self.kept.clone();
        rows.values.extend_from_slice(&self.step.values);
        rows.labels.extend_from_slice(&self.step.labels);
        if rows.labels.is_empty() {
            return Ok(());
        }
        let initial = match self.memory {
            Memory::Everything => LinearClassifier::initial(self.config.seed, self.classifier.classes(), features)?,
            _ => self.classifier.clone(),
        };
        let train = Labelled::new(&rows.values, &rows.labels, features)?;
        // The validation accuracy of an epoch is not used; one row costs nothing.
        let valid = Labelled::new(&rows.values[..features], &rows.labels[..1], features)?;
        let fitted = fit_from(&self.config, initial, train, valid, None, &mut |_| ControlFlow::Continue(()))?;
        self.classifier = fitted.classifier;
        self.trained = true;
        self.keep();
        Ok(())
    }

    fn predict(&self, values: &[f32]) -> Result<Vec<u32>, LearnError> {
        if !self.trained {
            return Err(LearnError::Untrained);
        }
        check_rows(values, self.classifier.features())?;
        let logits = self.classifier.logits(values)?;
        let best =
            |scores: &[f32]| (1..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best });
        Ok(logits.chunks_exact(self.classifier.classes() as usize).map(|scores| best(scores) as u32).collect())
    }

    fn state_bytes(&self) -> u64 {
        4 * self.classifier.weights().len() as u64
    }

    fn exemplar_bytes(&self) -> u64 {
        4 * (self.kept.values.len() + self.kept.labels.len()) as u64
    }
}
