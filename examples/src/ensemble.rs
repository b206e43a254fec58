//! Choosing and scoring an ensemble, for `ensemble` and `search --ensemble`.

use crate::progress::eprintln;
use crate::row_progress::RowProgress;
use anyhow::{Context, Result};
use dpnas::grammar::{ImageShape, Net};
use dpnas::report::ensemble_plot;
use dpnas::store::Member;
use dpnas::{DeepPrior, EnsembleConfig, EnsembleEvent, Metrics, ReplayRow, RunFolder, ScoreError, write_picture};
use serde::Deserialize;
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use std::path::Path;

/// Best architectures of a search that may be members, unless an option says otherwise.
pub const CANDIDATES: NonZeroUsize = NonZeroUsize::new(30).unwrap();

/// Images by which members are chosen, unless an option says otherwise.
pub const IMAGES: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

/// Most features of all members, unless an option says otherwise: a regression then takes a minute or two.
pub fn most_features(training_images: usize) -> usize {
    if training_images <= 10_000 { 32_768 } else { 8_192 }
}

/// Chosen encoders, and the scores of the first 1, 2, 4 and so on of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// The encoders, in the order of choice.
    pub members: Vec<Member>,
    sizes: Vec<Size>,
}

/// The score of the first members.
#[derive(Clone, Debug, PartialEq)]
struct Size {
    members: usize,
    features: usize,
    metrics: Metrics,
}

/// What is needed of an `ensemble.json`.
#[derive(Deserialize)]
struct EnsembleFile {
    members: Vec<Member>,
}

/// The members in an `ensemble.json`: the first one and the others.
///
/// # Errors
/// If the file cannot be read, or is something else.
pub fn read_members(path: &str) -> Result<(Member, Vec<Member>)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot open {path}"))?;
    let file: EnsembleFile = serde_json::from_str(&text).with_context(|| format!("{path} is no ensemble.json"))?;
    let mut members = file.members.into_iter();
    let first = members.next().with_context(|| format!("{path} has no members"))?;
    Ok((first, members.collect()))
}

/// Chooses members among `nets` and scores them, with lines about it on standard error.
///
/// # Errors
/// [`ScoreError::Interrupted`], or another error of an evaluation.
pub fn choose(prior: &DeepPrior, nets: &[Net], config: &EnsembleConfig) -> Result<Ensemble, ScoreError> {
    let progress = RowProgress::of("candidates", nets.len());
    let steps = prior.choose_ensemble(nets, config, &mut |event| match event {
        EnsembleEvent::Embedded { .. } => progress.add(1),
        EnsembleEvent::LeftOut { candidate, reason } => {
            progress.add(1);
            progress.say(&format!("left out: {}: {reason}", nets[candidate]));
        }
        EnsembleEvent::Chosen(step) => progress.say(&format!(
            "{} features, leave-one-out error {:.4}, accuracy {:.4} with {}",
            step.features, step.error, step.accuracy, step.member.net
        )),
        _ => {}
    });
    drop(progress);
    let steps = steps?;
    let members: Vec<Member> = steps.iter().map(|step| step.member.clone()).collect();
    let mut sizes: Vec<Size> = Vec::new();
    for size in sizes_of(members.len()) {
        let metrics = match prior.score_ensemble(&members[..size]) {
            Err(error @ ScoreError::OutOfMemory { .. }) if !sizes.is_empty() => {
                eprintln(&format!("{error}; larger ensembles are not scored"));
                break;
            }
            metrics => metrics?,
        };
        eprintln(&format!("{size} members: reward {:.4}, test {:.4}", metrics.reward, metrics.test_accuracy));
        sizes.push(Size { members: size, features: steps[size - 1].features, metrics });
    }
    Ok(Ensemble { members, sizes })
}

/// Sizes that are scored: 1, 2, 4 and so on, and the last.
fn sizes_of(members: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> =
        std::iter::successors(Some(1), |size| Some(size * 2)).take_while(|size| *size < members).collect();
    sizes.extend((members > 0).then_some(members));
    sizes
}

impl Size {
    fn json(&self) -> Value {
        let Self { members, features, metrics } = self;
        json!({
            "size": members,
            "features": features,
            "reward": metrics.reward,
            "test_accuracy": metrics.test_accuracy,
        })
    }
}

impl Ensemble {
    /// The object for a script.
    pub fn json(&self, run: &Path) -> Value {
        let mut json = self.sizes.last().map_or_else(|| json!({}), Size::json);
        json["run"] = json!(run);
        json["members"] = json!(self.members);
        json["nets"] = self.members.iter().map(|member| json!(member.net)).collect();
        json["sizes"] = self.sizes.iter().map(Size::json).collect();
        json
    }

    /// Writes `ensemble.json` in the run folder of the search, and a picture beside the single architectures of its rows.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&self, folder: &RunFolder, rows: &[ReplayRow], input: ImageShape) -> Result<Value> {
        let single = |row: &ReplayRow| {
            let plan = row.net.parse::<Net>().ok()?.plan(input).ok()?;
            Some((plan.features(), row.metrics.as_ref()?.test_accuracy)).filter(|(_, accuracy)| *accuracy > 0.0)
        };
        let singles: Vec<(u64, f64)> = rows.iter().filter_map(single).collect();
        let sizes = self.sizes.iter().map(|size| (size.features as u64, size.metrics.test_accuracy));
        if let Some(svg) = ensemble_plot(&singles, &sizes.collect::<Vec<_>>()) {
            write_picture::<anyhow::Error>(folder, "ensemble", &svg)?;
        }
        let json = self.json(folder.path());
        folder.replace("ensemble.json", format!("{json:#}\n").as_bytes())?;
        Ok(json)
    }

    /// The table for a reader.
    pub fn text(&self, folder: &RunFolder) -> String {
        let mut text = "members  features  reward  test\n".to_owned();
        for Size { members, features, metrics } in &self.sizes {
            text += &format!("{members:>7}  {features:>8}  {:.4}  {:.4}\n", metrics.reward, metrics.test_accuracy);
        }
        text += "\n";
        for (number, member) in self.members.iter().enumerate() {
            text += &format!("{}. {}\n", number + 1, member.net);
        }
        text + &format!("\n{}", folder.file("ensemble.json").display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_and_the_last_size_are_scored() {
        assert_eq!(sizes_of(0), [0; 0]);
        assert_eq!(sizes_of(1), [1]);
        assert_eq!(sizes_of(6), [1, 2, 4, 6]);
        assert_eq!(sizes_of(8), [1, 2, 4, 8]);
    }
}
