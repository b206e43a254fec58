//! Several encoders as one prior: their embeddings side by side, under one ridge regression.

use crate::deep_prior::embedding::Embedding;
use crate::deep_prior::ridge::{ridge_memory, ridge_rows};
use crate::deep_prior::{RIDGE, not_finite};
use crate::full_training::check_classes;
use crate::store::{EmbeddingWriter, Manifest, Member, SplitName};
use crate::{
    DeepPrior, EmbedError, EvaluateDraw, MemoryPlan, Metrics, Outcome, RowPlace, ScoreError, Splits, StoreRequest,
};
use dpnas_data::ImageSet;
use dpnas_grammar::Net;
use dpnas_heads::{HeadError, RowKernel};
use dpnas_prior::{EngineError, NormMode};
use dpnas_seed::Seed;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::Path;

/// Rows that are stored at once.
const BLOCK: usize = 1024;

/// How an ensemble is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnsembleConfig {
    /// Most members.
    pub size: NonZeroUsize,
    /// Most features of all members together.
    pub most_features: usize,
    /// Images by whose leave-one-out error members are chosen, drawn from the training and validation images.
    pub images: NonZeroUsize,
}

/// A candidate or a step of the choice, for a line of progress.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum EnsembleEvent<'a> {
    /// A candidate is embedded.
    Embedded {
        /// Its number, from 0.
        candidate: usize,
    },
    /// A candidate cannot be a member.
    LeftOut {
        /// Its number, from 0.
        candidate: usize,
        /// Why.
        reason: &'a str,
    },
    /// A member is chosen.
    Chosen(&'a EnsembleStep),
}

/// A member, and what the ensemble is with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct EnsembleStep {
    /// The member.
    #[serde(flatten)]
    pub member: Member,
    /// Features of all members so far.
    pub features: usize,
    /// Mean squared leave-one-out error of their ridge regression on the images of the choice.
    pub error: f64,
    /// Its leave-one-out accuracy there.
    pub accuracy: f64,
}

/// A candidate, and the products of its rows of the images of the choice.
struct Candidate {
    member: Member,
    kernel: RowKernel,
}

impl DeepPrior {
    /// Chooses members one after the other: each time the candidate with which the joint ridge regression has the
    /// smallest leave-one-out error. Ends at the size, or when no candidate lowers the error or fits the features.
    /// Weights are drawn as in scoring. The test images decide nothing.
    ///
    /// # Errors
    /// [`ScoreError::Interrupted`] if the stop flag was set; another [`ScoreError`] if an embedding failed for another
    /// reason than too little memory or infinite values.
    ///
    /// # Source
    /// Forward selection as of Caruana et al., 2004, with features instead of votes.
    pub fn choose_ensemble(
        &self,
        candidates: &[Net],
        config: &EnsembleConfig,
        on_event: &mut dyn FnMut(EnsembleEvent<'_>),
    ) -> Result<Vec<EnsembleStep>, ScoreError> {
        let (indices, labels) = self.images_of_choice(config.images.get());
        let of_train = indices.partition_point(|index| *index < self.splits.train.len());
        let of_valid: Vec<usize> = indices[of_train..].iter().map(|index| index - self.splits.train.len()).collect();
        let parts = [&indices[..of_train], &of_valid];
        let sets = [self.splits.train.select(parts[0]), self.splits.valid.select(parts[1])];
        let (images, budget) = (indices.len() as u64, self.config.memory_budget);
        let bytes = 8 * images * images * (candidates.len() as u64 + 6) + 12 * images * config.most_features as u64;
        if bytes > budget {
            let reason = format!(
                "{} candidates on {images} images take {bytes} bytes, the budget is {budget}; use fewer",
                candidates.len()
            );
            return Err(ScoreError::OutOfMemory { net: "the choice of an ensemble".to_owned(), reason });
        }
        let mut left = Vec::new();
        for (candidate, net) in candidates.iter().enumerate() {
            let features = net.plan(self.splits.train.shape())?.features();
            if features > config.most_features as u64 {
                let reason = format!("it has {features} features, all members may have {}", config.most_features);
                on_event(EnsembleEvent::LeftOut { candidate, reason: &reason });
                continue;
            }
            match self.candidate(net, parts, &sets, budget - bytes) {
                Ok(embedded) => {
                    on_event(EnsembleEvent::Embedded { candidate });
                    left.push(embedded);
                }
                Err(
                    error @ (ScoreError::OutOfMemory { .. }
                    | ScoreError::NotFinite
                    | ScoreError::Draw(_)
                    | ScoreError::Engine(EngineError::OutOfMemory { .. })),
                ) => {
                    on_event(EnsembleEvent::LeftOut { candidate, reason: &error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        let (mut joint, mut steps): (Option<RowKernel>, Vec<EnsembleStep>) = (None, Vec::new());
        while steps.len() < config.size.get() {
            let features = joint.as_ref().map_or(0, RowKernel::features);
            let mut best: Option<(usize, RowKernel, EnsembleStep)> = None;
            for (index, candidate) in left.iter().enumerate() {
                self.check_stop()?;
                let features = features + candidate.kernel.features();
                if features > config.most_features {
                    continue;
                }
                let kernel = match &joint {
                    Some(joint) => joint.beside(&candidate.kernel)?,
                    None => candidate.kernel.clone(),
                };
                match kernel.leave_one_out(&labels) {
                    Ok((error, accuracy)) if best.as_ref().is_none_or(|(.., best)| error < best.error) => {
                        let step = EnsembleStep { member: candidate.member.clone(), features, error, accuracy };
                        best = Some((index, kernel, step));
                    }
                    // No λ of the grid makes it solvable.
                    Ok(_) | Err(HeadError::Singular { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let lowers = |step: &EnsembleStep| steps.last().is_none_or(|last| step.error < last.error);
            let Some((index, kernel, step)) = best.filter(|(.., step)| lowers(step)) else { break };
            left.remove(index);
            joint = Some(kernel);
            on_event(EnsembleEvent::Chosen(&step));
            steps.push(step);
        }
        Ok(steps)
    }

    /// Scores an ensemble by the ridge regression of all its features on all images. The reward is the leave-one-out
    /// accuracy of the training and validation images.
    ///
    /// # Errors
    /// [`ScoreError::OutOfMemory`] if the regression does not fit the memory budget; others as
    /// [`choose_ensemble`](Self::choose_ensemble).
    pub fn score_ensemble(&self, members: &[Member]) -> Result<Metrics, ScoreError> {
        let features = self.features_of(members)?;
        let (bytes, budget) =
            (ridge_memory(&self.splits, features, self.config.probe.threads), self.config.memory_budget);
        if bytes > budget {
            let reason = format!("a ridge regression of {features} features takes {bytes} of {budget} bytes");
            return Err(ScoreError::OutOfMemory { net: format!("an ensemble of {}", members.len()), reason });
        }
        let embeddings = self.embeddings_of(members, features, bytes)?;
        ridge_rows(&self.splits, &self.stop, features, &|split, range, out| {
            side_by_side(&embeddings, split, &range.collect::<Vec<_>>(), features, out)
        })
    }

    /// Stores the rows of an ensemble side by side in the folder `target`, as
    /// [`store_embedding`](Self::store_embedding) stores those of one encoder. The rows of all members are kept until the
    /// end, in memory or in the cache.
    ///
    /// # Errors
    /// As [`store_embedding`](Self::store_embedding).
    pub fn store_ensemble(
        &self,
        (first, others): (&Member, &[Member]),
        target: &Path,
        request: &StoreRequest,
        on_rows: &mut dyn FnMut(usize),
    ) -> Result<Manifest, EmbedError> {
        let members = [std::slice::from_ref(first), others].concat();
        let features = self.features_of(&members)?;
        let embeddings = self.embeddings_of(&members, features, 0)?;
        let plan = first.net.plan(self.splits.train.shape()).map_err(ScoreError::from)?;
        let manifest = Manifest { features, members, ..self.manifest(&plan, first.weight_seed, request) };
        let sets = [&self.splits.train, &self.splits.valid, &self.splits.test];
        let labels = sets.map(|set| set.labels());
        let mut writer = EmbeddingWriter::create(target, manifest, labels, request.existing)?;
        for (split, set) in SplitName::ALL.into_iter().zip(sets) {
            let mut rows = Vec::new();
            for start in (0..set.len()).step_by(BLOCK) {
                self.check_stop()?;
                let indices: Vec<usize> = (start..set.len().min(start + BLOCK)).collect();
                rows.resize(indices.len() * features, 0.0);
                side_by_side(&embeddings, split as usize, &indices, features, &mut rows)?;
                writer.push(split, &rows)?;
                on_rows(indices.len());
            }
        }
        Ok(writer.finish()?.0)
    }

    /// Features of all members together.
    fn features_of(&self, members: &[Member]) -> Result<usize, ScoreError> {
        let features = |member: &Member| -> Result<usize, ScoreError> {
            let plan = member.net.plan(self.splits.train.shape())?;
            Ok(usize::try_from(plan.features()).unwrap_or(usize::MAX))
        };
        members.iter().map(features).sum()
    }

    /// The rows of all members, in files if together they take more than half of the memory budget or leave less than
    /// `later` bytes of it.
    fn embeddings_of(&self, members: &[Member], features: usize, later: u64) -> Result<Vec<Embedding>, ScoreError> {
        let (Splits { train, valid, test, .. }, budget) = (&self.splits, self.config.memory_budget);
        let bytes = 4 * (train.len() + valid.len() + test.len()) as u64 * features as u64;
        let (rows, kept) = match bytes > budget / 2 || bytes > budget.saturating_sub(later) {
            true => (RowPlace::File, 0),
            false => (RowPlace::Memory, bytes),
        };
        let embedding = |Member { net, weight_seed }: &Member| {
            let (plan, memory) = self.fitting_plan(net, budget - kept)?;
            self.embeddings(MemoryPlan { rows, ..memory }, *weight_seed).of(&plan)
        };
        members.iter().map(embedding).collect()
    }

    /// Indices into training and then validation images, in ascending order, and their labels.
    fn images_of_choice(&self, images: usize) -> (Vec<usize>, Vec<u32>) {
        let (train, valid) = (self.splits.train.labels(), self.splits.valid.labels());
        let mut indices: Vec<usize> = (0..train.len() + valid.len()).collect();
        self.config.probe.seed.stream("ensemble", 0).rng().shuffle(&mut indices);
        indices.truncate(images);
        indices.sort_unstable();
        let label = |index: &usize| *train.get(*index).unwrap_or_else(|| &valid[index - train.len()]);
        let labels = indices.iter().map(label).collect();
        (indices, labels)
    }

    /// A candidate, embedded within `budget` bytes beside the rows of the images of the choice.
    fn candidate(
        &self,
        net: &Net,
        parts: [&[usize]; 2],
        sets: &[ImageSet; 2],
        budget: u64,
    ) -> Result<Candidate, ScoreError> {
        let weight_seed = self.config.draw.seed(self.config.weight_seed, net);
        let (plan, memory) = self.fitting_plan(net, budget)?;
        let features = usize::try_from(plan.features()).unwrap_or(usize::MAX);
        let mut embeddings = self.embeddings(memory, weight_seed);
        let mut values = Vec::new();
        if self.config.norm.effective_mode() == NormMode::Reference {
            // The rows of an image depend on its mini-batch, so all images are needed.
            let embedding = embeddings.of(&plan)?;
            for (matrix, indices) in embedding.splits().iter().zip(parts) {
                let start = values.len();
                values.resize(start + indices.len() * features, 0.0);
                matrix.read_rows(indices, &mut values[start..]).map_err(ScoreError::Rows)?;
            }
        } else {
            embeddings.encode_sets(&plan, sets, &mut values)?;
        }
        let kernel = RowKernel::of(&values, features)?;
        Ok(Candidate { member: Member { net: net.clone(), weight_seed }, kernel })
    }
}

/// An ensemble under draws of its weights, for a [`ScoringRunner`](crate::ScoringRunner). Its target has the first member's
/// net and weight seed.
#[derive(Debug)]
pub struct EnsembleDraws<'a> {
    prior: &'a DeepPrior,
    first: Member,
    others: Vec<Member>,
}

impl<'a> EnsembleDraws<'a> {
    /// The draws of a first member and others. With the weight seed of the first all have their own, with another seed all
    /// are drawn anew.
    pub fn new(prior: &'a DeepPrior, first: Member, others: Vec<Member>) -> Self {
        Self { prior, first, others }
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl EvaluateDraw for EnsembleDraws<'_> {
    fn evaluate_draw(&self, _: &Net, weight_seed: Seed) -> Result<Outcome, ScoreError> {
        let redrawn = |member: &Member| {
            let weight_seed = match member.weight_seed {
                seed if seed == self.first.weight_seed => weight_seed,
                seed if weight_seed == self.first.weight_seed => seed,
                seed => weight_seed.derive("member", seed.0),
            };
            Member { weight_seed, ..member.clone() }
        };
        match self.prior.score_ensemble(&self.members().map(redrawn).collect::<Vec<_>>()) {
            Err(error @ ScoreError::OutOfMemory { .. }) => Ok(Outcome::OutOfMemory { reason: error.to_string() }),
            Err(ScoreError::NotFinite) => Ok(not_finite()),
            scored => scored.map(Outcome::Scored),
        }
    }

    fn check(&self, _: &Net) -> Result<(), ScoreError> {
        self.members().try_for_each(|member| {
            check_classes(&member.net, self.prior.splits())?;
            self.prior.plan(&member.net).map(drop)
        })
    }

    fn identity(&self) -> String {
        let members = self.members().map(|Member { net, weight_seed }| format!("; member {net} of {}", weight_seed.0));
        format!("{}; {RIDGE}{}", self.prior.describe_rows("by draw"), members.collect::<String>())
    }
}

/// Reads rows of a split, those of all members side by side, `[indices, features]`.
fn side_by_side(
    embeddings: &[Embedding],
    split: usize,
    indices: &[usize],
    features: usize,
    out: &mut [f32],
) -> Result<(), ScoreError> {
    let (mut part, mut first) = (Vec::new(), 0);
    for matrix in embeddings.iter().map(|embedding| &embedding.splits()[split]) {
        let columns = matrix.columns();
        part.resize(indices.len() * columns, 0.0);
        matrix.read_rows(indices, &mut part).map_err(ScoreError::Rows)?;
        for (row, part) in out.chunks_exact_mut(features).zip(part.chunks_exact(columns)) {
            row[first..first + columns].copy_from_slice(part);
        }
        first += columns;
    }
    Ok(())
}
