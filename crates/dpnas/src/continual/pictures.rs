//! The pictures of a run.

use super::ContinualReport;
use dpnas_report::{Curve, CurveGroup, CurveKind, CurvesPlot, HeatMap, Svg};

impl ContinualReport {
    /// Every picture with its file name, without extension: the accuracy after each step, and the matrix of each method.
    pub fn pictures(&self) -> Vec<(String, Svg)> {
        let mut plot = CurvesPlot::titled("Accuracy on the classes so far");
        plot.x_name = "step".to_owned();
        for summary in self.summaries() {
            let steps = self.after_each_step(summary.method);
            let band = steps.iter().map(|summary| summary.interval.unwrap_or((summary.mean, summary.mean))).collect();
            let values = steps.iter().map(|summary| summary.mean).collect();
            let curve = Curve { band, ..Curve::new(CurveKind::Test, values) };
            plot.groups.push(CurveGroup { name: summary.method.to_string(), curves: vec![curve] });
        }
        let curves = plot.draw().map(|svg| ("accuracy".to_owned(), svg));
        let maps = self.summaries().into_iter().filter_map(|summary| {
            let mut map = HeatMap::titled(format!("{}: accuracy after each step", summary.method));
            map.values = self.mean_matrix(summary.method);
            (map.x_name, map.y_name) = ("test rows of step".to_owned(), "after step".to_owned());
            Some((format!("matrix_{}", summary.method), map.draw()?))
        });
        curves.into_iter().chain(maps).collect()
    }
}
