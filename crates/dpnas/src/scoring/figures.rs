//! The pictures of a scoring run.

use super::report::ScoringReport;
use super::runner::Training;
use super::{Group, Summary, Target};
use crate::Metrics;
use dpnas_report::{Curve, CurveGroup, CurveKind, CurvesPlot, DrawGroup, Draws, DrawsPlot, NetDraws, Svg};

/// Largest number of architectures whose training and test accuracies are drawn besides their validation accuracies.
/// With more curves the picture would be unreadable.
const IN_DETAIL: usize = 3;

impl ScoringReport {
    /// The figure of H2 and H3: the rewards of all draws and the confidence intervals of their means, by group. `None`
    /// if nothing was scored.
    pub fn draws_figure(&self) -> Option<Svg> {
        let mut plot = DrawsPlot::titled("Rewards of re-drawn weights");
        plot.series = self
            .trainings
            .iter()
            .map(|training| match training {
                Training::Random => "random encoder".to_owned(),
                Training::Full => "trained encoder".to_owned(),
            })
            .collect();
        plot.groups = self.by_group(|index, target| NetDraws {
            name: target.net.to_string(),
            searched: target.searched.map(|searched| searched.reward).filter(|reward| *reward > 0.0),
            series: self.trainings.iter().map(|&training| self.draws_series(index, training)).collect(),
        });
        plot.draw()
    }

    /// The learning curves of one kind of training. `None` if nothing was scored.
    pub fn learning_curves(&self, training: Training) -> Option<Svg> {
        let mut plot = CurvesPlot::titled(match training {
            Training::Random => "Learning curves of the classifier on random encoders",
            Training::Full => "Learning curves of full training",
        });
        let detailed = self.job.targets.len() <= IN_DETAIL && self.job.draws == 1;
        plot.groups = self
            .ranked()
            .into_iter()
            .map(|index| CurveGroup {
                name: self.job.targets[index].net.to_string(),
                curves: self
                    .draws_of(index, training)
                    .filter_map(|scored| scored.score())
                    .flat_map(|score| curves(score, detailed))
                    .collect(),
            })
            .collect();
        plot.draw()
    }

    fn draws_series(&self, target: usize, training: Training) -> Draws {
        let values: Vec<f64> =
            self.draws_of(target, training).filter_map(|scored| scored.score()).map(|score| score.reward).collect();
        let interval = Summary::of(&values).and_then(|summary| summary.interval);
        Draws { values, interval }
    }

    /// The targets in groups. Each group is sorted by the mean reward of the first training, the lowest first.
    fn by_group(&self, net: impl Fn(usize, &Target) -> NetDraws) -> Vec<DrawGroup> {
        let ranked = self.ranked();
        let group = |group: Group| {
            let members = ranked.iter().filter(|index| self.job.targets[**index].group == group);
            DrawGroup {
                name: match group {
                    Group::Given | Group::Ensemble => String::new(),
                    group => format!("{group} of the search"),
                },
                nets: members.map(|&index| net(index, &self.job.targets[index])).collect(),
            }
        };
        let groups = [Group::Low, Group::Middle, Group::Top, Group::Given, Group::Ensemble].map(group);
        groups.into_iter().filter(|group| !group.nets.is_empty()).collect()
    }

    /// Indices of the targets, sorted by group and then by the mean reward of the first training.
    fn ranked(&self) -> Vec<usize> {
        let mean = |index: usize| {
            let first = self.trainings.first().and_then(|&training| self.summary(index, training));
            first.and_then(|summary| summary.reward).map_or(0.0, |reward| reward.mean)
        };
        let mut places: Vec<usize> = (0..self.job.targets.len()).collect();
        places.sort_by(|&a, &b| {
            let group = |index: usize| self.job.targets[index].group;
            group(a).cmp(&group(b)).then(mean(a).total_cmp(&mean(b)))
        });
        places
    }
}

fn curves(score: &Metrics, detailed: bool) -> Vec<Curve> {
    let curve = |kind, values: &[f64]| Curve::new(kind, values.to_vec());
    let mut curves = vec![curve(CurveKind::Valid, &score.valid_accuracy)];
    if detailed {
        curves.push(curve(CurveKind::Train, &score.train_accuracy));
        curves.push(curve(CurveKind::Test, &score.test_accuracies));
    }
    curves
}

/// Every picture of the run with its file name, without extension.
pub(crate) fn figures(report: &ScoringReport) -> Vec<(&'static str, Svg)> {
    let curves = report.trainings.iter().map(|&training| {
        let name = match training {
            Training::Random => "learning_curves",
            Training::Full => "learning_curves_trained",
        };
        (name, report.learning_curves(training))
    });
    let all = [("draws", report.draws_figure())].into_iter().chain(curves);
    all.filter_map(|(name, svg)| Some((name, svg?))).collect()
}
