//! Progress and result of continual learning: terminal, log, JSON and report.

use crate::options::ContinualOptions;
use crate::output::{half_width, list_files, page_text};
use crate::progress::Display;
use crate::session::resume_command;
use dpnas::continual::{ContinualEvent, ContinualReport, Learned, MethodSummary};
use dpnas::report::{Column, Figure, TablePage};
use dpnas::{RunFolder, StopReason, Summary};
use serde_json::{Value, json};
use std::fs::File;

/// Shows a run: a bar on a terminal, a line for each stream elsewhere and in the log.
pub struct ContinualProgress(Display);

impl ContinualProgress {
    /// A display on standard error and a log; both also show the libraries' warnings.
    pub fn new(log: File) -> Self {
        Self(Display::new("streams", Some(log)))
    }

    /// Shows one event.
    pub fn show(&mut self, event: &ContinualEvent<'_>) {
        match event {
            ContinualEvent::Resumed { done, total } => {
                self.0.place(*done, *total);
                self.0.bar.reset_eta();
                self.0.say(&format!("resumed: {done} of {total} streams are in the journal"));
            }
            ContinualEvent::Embedding { draw, done, total } => {
                self.0.place(*done, *total);
                self.0.bar.set_message(format!("computing the rows of draw {draw}"));
            }
            ContinualEvent::Learning { method, draw, order, done, total } => {
                self.0.place(*done, *total);
                self.0.bar.set_message(format!("draw {draw}, order {order}: {method}"));
            }
            ContinualEvent::Learned { learned, done, total } => {
                self.0.place(*done, *total);
                let Learned { method, draw, order, seconds, .. } = learned;
                let accuracy = learned.matrix.final_accuracy().unwrap_or(0.0);
                let line = format!(
                    "{done}/{total} draw {draw}, order {order}, {method}: accuracy {accuracy:.4}, {seconds:.1} s"
                );
                self.0.line(&line);
            }
            _ => {}
        }
    }

    /// Removes the bar from the terminal.
    pub fn finish(&self) {
        self.0.bar.finish_and_clear();
    }
}

/// A run at its end: what is printed and reported.
pub struct ContinualResult<'a> {
    /// The run's folder.
    pub folder: &'a RunFolder,
    /// The report of the runner.
    pub report: &'a ContinualReport,
    /// The settings' text.
    pub settings: &'a str,
}

/// Files of the run that are listed.
const FILES: [&str; 6] = ["results.csv", "summary.csv", "accuracy_matrix.npy", "heads", "accuracy.png", "report.html"];

/// Columns of the table, on the terminal and in the report.
const COLUMNS: [&str; 8] =
    ["method", "final ± 95 %", "average", "incremental", "forgetting", "to the first", "bytes kept", "seconds"];

impl ContinualResult<'_> {
    /// The result for a reader.
    pub fn text(&self) -> String {
        let report = self.report;
        let mut text = match &report.stop {
            StopReason::Completed => format!("Learned; streams: {}.\n\n", report.learned.len()),
            stop => format!("Learning ended ({stop}); streams so far: {}.\n\n", report.learned.len()),
        };
        let rows: Vec<Vec<String>> = report.summaries().iter().map(cells).collect();
        let header = COLUMNS.map(str::to_owned).to_vec();
        let width = |column: usize| {
            [&header].into_iter().chain(&rows).map(|row| row[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
        for row in [&header].into_iter().chain(&rows) {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
            text.push_str(&format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end()));
        }
        for summary in report.summaries().iter().filter(|summary| summary.clipped > 0) {
            let (method, clipped) = (summary.method, summary.clipped);
            text.push_str(&format!(
                "  {method}: {clipped} values were beyond the fixed-point grid and cut to it; --sums f64 has no such grid\n"
            ));
        }
        text.push_str(&list_files(self.folder, &FILES));
        if report.stop != StopReason::Completed {
            text.push_str(&format!("\nGo on with:\n  {}\n", resume_command::<ContinualOptions>(self.folder)));
        }
        text
    }

    /// The result for a script; accuracies are fractions.
    pub fn json(&self) -> Value {
        let report = self.report;
        let steps = |learned: &Learned| -> Vec<Value> {
            let step = |step: usize| {
                json!({
                    "method": learned.method,
                    "order": learned.order,
                    "draw": learned.draw,
                    "step": step,
                    "classes_seen": report.classes_seen[learned.order][step],
                    "accuracy": learned.matrix.seen_accuracy(step),
                })
            };
            (0..learned.matrix.steps()).map(step).collect()
        };
        json!({
            "run": self.folder.path(),
            "stop": report.stop.to_string(),
            "results": report.learned.iter().flat_map(steps).collect::<Vec<_>>(),
            "summary": report.summaries().iter().map(summary_json).collect::<Vec<_>>(),
        })
    }

    /// The HTML report.
    pub fn html(&self) -> String {
        let report = self.report;
        let mut text = page_text(self.folder, self.settings);
        text.subtitle = format!("Continual learning on a frozen random encoder: {}", report.stop);
        text.summary = vec![
            ("steps".to_owned(), report.job.steps.to_string()),
            ("class orders".to_owned(), report.job.orders.len().to_string()),
            ("draws of the weights".to_owned(), report.job.draws.to_string()),
            ("streams learned".to_owned(), report.learned.len().to_string()),
        ];
        let mut page = TablePage::new(text);
        let figures = report.pictures().into_iter().map(|(name, svg)| {
            let (heading, caption) = match name.strip_prefix("matrix_") {
                None => ("Accuracy after each step".to_owned(), "Mean and 95 % interval over draws and orders."),
                Some(method) => {
                    (format!("Accuracy matrix of {method}"), "Percent of the test rows, mean over draws and orders.")
                }
            };
            Figure { heading, caption: caption.to_owned(), svg }
        });
        page.figures = figures.collect();
        page.heading = "Methods".to_owned();
        let kind = |at: usize| if at == 0 { Column::Code } else { Column::Number };
        page.columns = COLUMNS.iter().enumerate().map(|(at, name)| ((*name).to_owned(), kind(at))).collect();
        page.rows = report.summaries().iter().map(cells).collect();
        page.to_html()
    }
}

/// A mean with half of its interval.
fn spread(summary: Summary) -> String {
    let half = half_width(summary).map_or_else(String::new, |half| format!(" ± {half:.4}"));
    format!("{:.4}{half}", summary.mean)
}

/// The row of a method in the table.
fn cells(summary: &MethodSummary) -> Vec<String> {
    let metric = |name: &str| summary.metrics.iter().find(|(known, _)| *known == name).and_then(|(_, metric)| *metric);
    let mean = |name: &str| metric(name).map_or("–".to_owned(), |metric| format!("{:.4}", metric.mean));
    vec![
        summary.method.to_string(),
        metric("final_accuracy").map_or("–".to_owned(), spread),
        mean("average_accuracy"),
        mean("incremental_accuracy"),
        mean("forgetting"),
        summary.difference.map_or("–".to_owned(), |difference| {
            // Without the sign of a number that rounds to 0.
            let mean = (difference.mean * 1e4).round() / 1e4 + 0.0;
            let sign = if mean < 0.0 { "" } else { "+" };
            let mut rounded = difference;
            rounded.mean = mean;
            format!("{sign}{}", spread(rounded))
        }),
        summary.state_bytes.saturating_add(summary.exemplar_bytes).to_string(),
        format!("{:.1}", summary.seconds),
    ]
}

fn summary_json(summary: &MethodSummary) -> Value {
    let mut object = json!({
        "method": summary.method,
        "streams": summary.streams,
        "bytes_state": summary.state_bytes,
        "bytes_exemplars": summary.exemplar_bytes,
        "clipped_values": summary.clipped,
        "seconds": summary.seconds,
        "weights_digest": summary.weights_digest,
    });
    let statistics = summary.metrics.iter().copied().chain([("difference_to_first", summary.difference)]);
    for (name, statistic) in statistics {
        object[name] = json!(statistic.map(|statistic| statistic.mean));
        let interval = statistic.and_then(|statistic| statistic.interval);
        object[format!("{name}_interval_95")] = json!(interval.map(|(low, high)| [low, high]));
    }
    object
}
