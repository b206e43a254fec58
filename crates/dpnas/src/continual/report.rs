//! The result of a run: what each method learned, and statistics over draws and orders.

use super::{AccuracyMatrix, ContinualJob, Method};
use crate::{StopReason, Summary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one method learned from one stream under one draw of the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// The method.
    pub method: Method,
    /// Number of the draw of the weights, from 0.
    pub draw: u32,
    /// Number of the class order, from 0.
    pub order: usize,
    /// Right predictions after each step.
    pub matrix: AccuracyMatrix,
    /// Bytes that the method keeps between steps, without rows of the stream.
    pub state_bytes: u64,
    /// Bytes of rows of the stream that it keeps.
    pub exemplar_bytes: u64,
    /// Values that were cut to the range of a fixed-point grid.
    pub clipped: u64,
    /// SHA-256 of the final classifier: equal where all its bits are.
    pub weights_digest: String,
    /// Seconds to learn and to test. No result depends on it.
    pub seconds: f64,
}

/// A metric of an accuracy matrix; the number is the number of classes.
type Metric = fn(&AccuracyMatrix, f64) -> Option<f64>;

/// The metrics of a summary by name.
///
/// - `final_accuracy`: all test rows after the last step;
/// - `average_accuracy`: the last row of the matrix, each step alike (GEM);
/// - `incremental_accuracy`: the mean over the steps of the accuracy on the classes so far (iCaRL);
/// - `forgetting`: the best earlier accuracy of each step minus the last (Chaudhry et al.);
/// - `backward_transfer` (GEM; its negative is Avalanche's forgetting);
/// - `forward_transfer` above chance (GEM).
pub const METRICS: [(&str, Metric); 6] = [
    ("final_accuracy", |matrix, _| matrix.final_accuracy()),
    ("average_accuracy", |matrix, _| matrix.average_accuracy()),
    ("incremental_accuracy", |matrix, _| matrix.average_incremental_accuracy()),
    ("forgetting", |matrix, _| matrix.forgetting()),
    ("backward_transfer", |matrix, _| matrix.backward_transfer()),
    ("forward_transfer", |matrix, classes| matrix.forward_transfer(1.0 / classes)),
];

/// Statistics of one method.
///
/// The unit of an interval is a draw of the weights, averaged over the orders; with one draw it is an order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MethodSummary {
    /// The method.
    pub method: Method,
    /// Finished streams.
    pub streams: usize,
    /// Name and statistics of each of [`METRICS`]; `None` where it is not defined, for example after one step.
    pub metrics: Vec<(&'static str, Option<Summary>)>,
    /// Final accuracy minus that of the first method of the run, paired.
    pub difference: Option<Summary>,
    /// Largest [`Learned::state_bytes`].
    pub state_bytes: u64,
    /// Largest [`Learned::exemplar_bytes`].
    pub exemplar_bytes: u64,
    /// Values of all streams that were cut to the range of a fixed-point grid.
    pub clipped: u64,
    /// Seconds of all streams.
    pub seconds: f64,
    /// The digest of the final classifiers of draw 0, if it is the same for all orders.
    pub weights_digest: Option<String>,
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ContinualReport {
    /// What was to be learned.
    pub job: ContinualJob,
    /// Why the run ended.
    pub stop: StopReason,
    /// Number of classes.
    pub classes: u32,
    /// Classes so far after each step, for each order.
    pub classes_seen: Vec<Vec<usize>>,
    /// All that was learned, by method, draw and order.
    pub learned: Vec<Learned>,
}

impl ContinualReport {
    /// What one method learned.
    pub fn of(&self, method: Method) -> impl Iterator<Item = &Learned> {
        self.learned.iter().filter(move |learned| learned.method == method)
    }

    /// Statistics of the methods that finished a stream, in the order of the job.
    pub fn summaries(&self) -> Vec<MethodSummary> {
        let methods = self.job.methods.iter().copied().filter(|&method| self.of(method).next().is_some());
        methods.map(|method| self.summary(method)).collect()
    }

    fn summary(&self, method: Method) -> MethodSummary {
        let metric = |&(name, metric): &(&'static str, Metric)| {
            (name, self.by_unit(method, |learned| metric(&learned.matrix, f64::from(self.classes))))
        };
        let first = self.job.methods.first().filter(|first| **first != method);
        let difference = first.and_then(|&first| {
            let other = |own: &Learned| {
                self.of(first).find(|other| (other.draw, other.order) == (own.draw, own.order))?.matrix.final_accuracy()
            };
            self.by_unit(method, |learned| Some(learned.matrix.final_accuracy()? - other(learned)?))
        });
        let mut digests = self.of(method).filter(|learned| learned.draw == 0).map(|learned| &learned.weights_digest);
        let digest = digests.next().filter(|first| digests.all(|digest| digest == *first)).cloned();
        MethodSummary {
            method,
            streams: self.of(method).count(),
            metrics: METRICS.iter().map(metric).collect(),
            difference,
            state_bytes: self.of(method).map(|learned| learned.state_bytes).max().unwrap_or(0),
            exemplar_bytes: self.of(method).map(|learned| learned.exemplar_bytes).max().unwrap_or(0),
            clipped: self.of(method).map(|learned| learned.clipped).sum(),
            seconds: self.of(method).map(|learned| learned.seconds).sum(),
            weights_digest: digest,
        }
    }

    /// Statistics of a value over draws, each averaged over the orders; with one draw over orders.
    fn by_unit(&self, method: Method, value: impl Fn(&Learned) -> Option<f64>) -> Option<Summary> {
        let mut units: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for learned in self.of(method) {
            let unit = if self.job.draws > 1 { u64::from(learned.draw) } else { learned.order as u64 };
            if let Some(value) = value(learned) {
                units.entry(unit).or_default().push(value);
            }
        }
        let means = units.into_values().map(|values| values.iter().sum::<f64>() / values.len() as f64);
        Summary::of(&means.collect::<Vec<_>>())
    }

    /// Statistics of the accuracy on the classes so far, after each step. The unit is that of [`MethodSummary`].
    pub fn after_each_step(&self, method: Method) -> Vec<Summary> {
        let steps = self.of(method).map(|learned| learned.matrix.steps()).max().unwrap_or(0);
        let after = |step: usize| {
            self.by_unit(method, |learned| (step < learned.matrix.steps()).then(|| learned.matrix.seen_accuracy(step)))
        };
        (0..steps).filter_map(after).collect()
    }

    /// The accuracy matrix of a method, averaged over draws and orders: a row after each step. NaN where no order has test rows.
    pub fn mean_matrix(&self, method: Method) -> Vec<Vec<f64>> {
        let steps = self.of(method).map(|learned| learned.matrix.steps()).max().unwrap_or(0);
        let mean = |after: usize, on: usize| {
            let values: Vec<f64> = self.of(method).filter_map(|learned| learned.matrix.accuracy(after, on)).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        (0..steps).map(|after| (0..steps).map(|on| mean(after, on)).collect()).collect()
    }
}
