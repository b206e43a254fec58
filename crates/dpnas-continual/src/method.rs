//! Methods by name, and their settings.

use crate::{
    Adam, ClosedForm, ClosedFormHead, Ewc, LearnError, Learner, Memory, PseudoRehearsal, PublishedSlda, RandomFourier,
};
use dpnas_heads::{FixedPoint, HeadError, Lambda, Projection, Shrinkage, Statistics};
use dpnas_seed::Seed;
use dpnas_train::ProbeConfig;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A method of continual learning.
///
/// Prints and parses as its name in the table of [`Method::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// Adam from the initial weights on all rows so far: the upper bound.
    Joint,
    /// Ridge regression on all rows so far, in the order of the data set.
    JointRidge,
    /// Ridge regression.
    Ridge,
    /// Ridge regression after a random projection with ReLU, in the form of RanPAC.
    ProjectedRidge,
    /// Linear discriminant analysis with OAS shrinkage: streaming LDA without its dependence on the order.
    Lda,
    /// Streaming LDA as published.
    Slda,
    /// Nearest class mean.
    Ncm,
    /// Adam with a reservoir of earlier rows.
    Replay,
    /// Adam with a class-balanced memory of earlier rows.
    BalancedReplay,
    /// Adam with rows drawn from the Gaussians of earlier classes.
    PseudoRehearsal,
    /// Adam with elastic weight consolidation.
    Ewc,
    /// Adam on the rows of each step alone: the lower bound.
    Naive,
    /// Ridge regression on pixels.
    Pixels,
    /// LDA on random Fourier features of pixels: RanDumb.
    Randumb,
}

/// What a method learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Rows of the embedding.
    Embedding,
    /// Pixels.
    Pixels,
}

impl Method {
    /// Every method with its name, the bounds first and last.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::Joint, "joint"),
        (Self::JointRidge, "joint-ridge"),
        (Self::Ridge, "ridge"),
        (Self::ProjectedRidge, "projected-ridge"),
        (Self::Lda, "lda"),
        (Self::Slda, "slda"),
        (Self::Ncm, "ncm"),
        (Self::Replay, "replay"),
        (Self::BalancedReplay, "balanced-replay"),
        (Self::PseudoRehearsal, "pseudo-rehearsal"),
        (Self::Ewc, "ewc"),
        (Self::Naive, "naive"),
        (Self::Pixels, "pixels"),
        (Self::Randumb, "randumb"),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(method, _)| *method == self).map_or("", |(_, name)| name)
    }

    /// What it learns from.
    pub fn input(self) -> Input {
        if matches!(self, Self::Pixels | Self::Randumb) { Input::Pixels } else { Input::Embedding }
    }

    /// Whether it learns from all rows so far, again after each step.
    pub fn is_joint(self) -> bool {
        matches!(self, Self::Joint | Self::JointRidge)
    }

    /// Whether a classifier is trained with Adam.
    pub fn trains_with_adam(self) -> bool {
        use Method::*;
        matches!(self, Joint | Replay | BalancedReplay | PseudoRehearsal | Ewc | Naive)
    }

    /// Whether all that it keeps are statistics of the rows as they are, which can be saved and loaded.
    pub fn has_statistics(self) -> bool {
        matches!(self, Self::Ridge | Self::Lda | Self::Ncm)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown method `{name}`: use {}", Method::ALL.map(|(_, name)| name).join(", "))]
pub struct UnknownMethod {
    /// The name.
    pub name: String,
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        let found = Self::ALL.into_iter().find(|(_, known)| *known == name);
        found.map(|(method, _)| method).ok_or_else(|| UnknownMethod { name: name.to_owned() })
    }
}

/// How λ of the ridge methods is chosen.
///
/// Prints and parses as `gcv`, `first-task`, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LambdaChoice {
    /// By generalised cross-validation after each step.
    Gcv,
    /// By generalised cross-validation after the first step; it stays then.
    FirstTask,
    /// This number.
    Fixed(f64),
}

/// A text that is no λ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("λ `{text}`: use gcv, first-task, or a number above 0")]
pub struct UnknownLambda {
    /// The text.
    pub text: String,
}

impl FromStr for LambdaChoice {
    type Err = UnknownLambda;

    fn from_str(text: &str) -> Result<Self, UnknownLambda> {
        Ok(match text {
            "gcv" => Self::Gcv,
            "first-task" => Self::FirstTask,
            _ => match text.parse::<f64>() {
                Ok(lambda) if lambda > 0.0 && lambda.is_finite() => Self::Fixed(lambda),
                _ => return Err(UnknownLambda { text: text.to_owned() }),
            },
        })
    }
}

impl fmt::Display for LambdaChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gcv => f.pad("gcv"),
            Self::FirstTask => f.pad("first-task"),
            Self::Fixed(lambda) => write!(f, "{lambda}"),
        }
    }
}

impl From<LambdaChoice> for ClosedFormHead {
    fn from(choice: LambdaChoice) -> Self {
        match choice {
            LambdaChoice::Gcv => Self::Ridge(Lambda::Gcv),
            LambdaChoice::FirstTask => Self::RidgeOfFirstStep,
            LambdaChoice::Fixed(lambda) => Self::Ridge(Lambda::Fixed(lambda)),
        }
    }
}

/// Settings of all methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct MethodSettings {
    /// λ of the ridge methods.
    pub lambda: LambdaChoice,
    /// Rows that the replay methods keep.
    pub buffer: usize,
    /// Features of the projected ridge regression.
    pub projection: usize,
    /// Random Fourier features; 0 takes as many as the embedding has, for equal bytes of state.
    pub fourier: usize,
    /// Strength of elastic weight consolidation.
    pub ewc_strength: f32,
    /// Exact sums of fixed-point numbers, or rounded sums in `f64`.
    pub exact: bool,
    /// Whether Adam sees the rows of each step once, except in joint training.
    pub online: bool,
    /// Training of the methods with Adam, for each step.
    pub probe: ProbeConfig,
}

impl MethodSettings {
    /// λ by generalised cross-validation, 200 rows of replay, 2,048 projected features, exact sums, 20 epochs.
    pub fn new(seed: Seed) -> Self {
        Self {
            lambda: LambdaChoice::Gcv,
            buffer: 200,
            projection: 2048,
            fourier: 0,
            ewc_strength: 100.0,
            exact: true,
            online: false,
            probe: ProbeConfig { epochs: 20, ..ProbeConfig::paper(seed) },
        }
    }

    /// Features of the statistics of a method whose input has `features`, beside an embedding with `embedded`.
    pub fn state_features(&self, method: Method, features: usize, embedded: usize) -> usize {
        match (method, self.fourier) {
            (Method::ProjectedRidge, _) => self.projection,
            (Method::Randumb, 0) => embedded,
            (Method::Randumb, fourier) => fourier,
            _ => features,
        }
    }
}

/// What a learner is made for.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    /// Number of classes.
    pub classes: u32,
    /// Features of a row of the method's input.
    pub features: usize,
    /// Features of the embedding.
    pub embedded: usize,
    /// Rows that choose grids and kernel widths, for example of calibration images. Labels play no part.
    pub sample: &'a [f32],
    /// Statistics to go on from; the methods with [`Method::has_statistics`] take them.
    pub start: Option<&'a Statistics>,
    /// The seed of random features and memories.
    pub seed: Seed,
    /// Ends the training of a step early once it is set; the learner then fails with [`LearnError::Interrupted`].
    pub stop: Arc<AtomicBool>,
}

impl Method {
    /// A learner that has seen nothing, or only the statistics that the task starts with.
    ///
    /// # Errors
    /// If a setting is out of range, the sample is wrong, or the statistics have another number of features.
    pub fn learner(self, settings: &MethodSettings, task: &Task<'_>) -> Result<Box<dyn Learner>, LearnError> {
        let Task { classes, features, sample, .. } = *task;
        let stop = || Arc::clone(&task.stop);
        let mut probe = settings.probe.clone();
        if settings.online && !self.is_joint() {
            probe.epochs = 1;
        }
        let adam = |memory| Ok::<_, LearnError>(Adam::new(&probe, features, classes, memory)?.with_stop_flag(stop()));
        let empty = |sample: &[f32], features: usize| match settings.exact {
            true => Ok(Statistics::exact(FixedPoint::of_rows(sample, features)?)),
            false => Statistics::float(features),
        };
        let closed_form = |head| -> Result<Box<dyn Learner>, LearnError> {
            let empty = match task.start {
                Some(start) => start.emptied(),
                None => empty(sample, features)?,
            };
            if empty.features() != features {
                return Err(HeadError::Features { expected: features, found: empty.features() }.into());
            }
            let learner = ClosedForm::new(head, empty);
            Ok(Box::new(match task.start {
                Some(start) => learner.resumed(start)?,
                None => learner,
            }))
        };
        Ok(match self {
            Self::Joint | Self::Naive => Box::new(adam(Memory::Nothing)?),
            Self::Replay => Box::new(adam(Memory::Reservoir(settings.buffer))?),
            Self::BalancedReplay => Box::new(adam(Memory::Balanced(settings.buffer))?),
            Self::PseudoRehearsal => Box::new(PseudoRehearsal::new(adam(Memory::Nothing)?)?),
            Self::Ewc => {
                let learner = Ewc::new(&probe, features, classes, settings.ewc_strength)?;
                Box::new(learner.with_stop_flag(stop()))
            }
            Self::Slda => Box::new(PublishedSlda::new(features)),
            Self::Ncm => closed_form(ClosedFormHead::NearestMean)?,
            Self::Lda => closed_form(ClosedFormHead::Lda(Shrinkage::Oas))?,
            Self::Ridge | Self::JointRidge | Self::Pixels => closed_form(settings.lambda.into())?,
            Self::ProjectedRidge => {
                let projection = Projection::new(task.seed, features, settings.projection)?;
                let statistics = empty(&projection.apply(sample)?, settings.projection)?;
                Box::new(ClosedForm::projected(settings.lambda.into(), projection, statistics)?)
            }
            Self::Randumb => {
                let outputs = settings.state_features(self, features, task.embedded);
                let fourier = RandomFourier::new(task.seed, features, outputs, kernel_width(sample, features))?;
                let statistics = empty(&fourier.apply(sample)?, outputs)?;
                Box::new(ClosedForm::fourier(ClosedFormHead::Lda(Shrinkage::Oas), fourier, statistics)?)
            }
        })
    }
}

/// γ of a Gaussian kernel: one by the sum of the variances of the features.
fn kernel_width(sample: &[f32], features: usize) -> f64 {
    let rows = (sample.len() / features.max(1)).max(1) as f64;
    let variance = |feature: usize| {
        let values = || sample.iter().skip(feature).step_by(features).map(|&value| f64::from(value));
        let mean = values().sum::<f64>() / rows;
        values().map(|value| (value - mean).powi(2)).sum::<f64>() / rows
    };
    let sum: f64 = (0..features).map(variance).sum();
    if sum > 0.0 { 1.0 / sum } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lambdas_print_and_parse() {
        for (method, name) in Method::ALL {
            assert_eq!(name.parse::<Method>().unwrap(), method);
            assert_eq!(serde_json::to_string(&method).unwrap(), format!("\"{name}\""));
        }
        let message = "ridgee".parse::<Method>().unwrap_err().to_string();
        assert!(message.starts_with("unknown method `ridgee`: use joint, joint-ridge, ridge,"), "{message}");
        for text in ["gcv", "first-task", "0.5"] {
            assert_eq!(text.parse::<LambdaChoice>().unwrap().to_string(), text);
        }
        for text in ["0", "-1", "NaN", "inf", "loo"] {
            let message = text.parse::<LambdaChoice>().unwrap_err().to_string();
            assert_eq!(message, format!("λ `{text}`: use gcv, first-task, or a number above 0"));
        }
    }
}
