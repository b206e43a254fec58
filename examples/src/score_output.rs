//! The result of a scoring run: text, JSON and its report.

use crate::options::ScoreOptions;
use crate::output::{half_width, list_files, page_text};
use crate::session::resume_command;
use dpnas::report::{Column, Figure, TablePage};
use dpnas::{DrawOutcome, NetSummary, RunFolder, ScoringReport, StopReason, Summary, Training};
use serde_json::{Value, json};

/// Files of the run that are listed, as far as they are there.
const FILES: [&str; 8] = [
    "scores.csv",
    "summary.csv",
    "fixed_nets.csv",
    "fixed_nets_trained.csv",
    "draws.png",
    "learning_curves.png",
    "learning_curves_trained.png",
    "report.html",
];

/// A scoring run at its end: what is printed and reported.
pub struct ScoreResult<'a> {
    /// The run's folder.
    pub folder: &'a RunFolder,
    /// The report of the runner.
    pub report: &'a ScoringReport,
    /// The settings' text.
    pub settings: &'a str,
}

impl ScoreResult<'_> {
    /// The result for a reader.
    pub fn text(&self) -> String {
        let report = self.report;
        let mut text = match &report.stop {
            StopReason::Completed => format!("Scored; draws: {}.\n\n", report.draws.len()),
            stop => format!("Scoring ended ({stop}); draws so far: {}.\n\n", report.draws.len()),
        };
        text.push_str("  reward ± 95 %       std     test    group   training  architecture\n");
        for summary in report.summaries() {
            let target = &report.job.targets[summary.target];
            let spread = summary.reward.and_then(half_width).map_or(String::new(), |half| format!(" ± {half:.4}"));
            let reward = summary.reward.map_or("no score".to_owned(), |reward| format!("{:.4}{spread}", reward.mean));
            let test = summary.test_accuracy.map_or("–".to_owned(), |test| format!("{:.4}", test.mean));
            let deviation = summary.reward.and_then(|reward| reward.standard_deviation);
            let deviation = deviation.map_or("–".to_owned(), |deviation| format!("{deviation:.4}"));
            let (group, training, net) = (target.group, summary.training, &target.net);
            text.push_str(&format!("  {reward:<18}  {deviation:<6}  {test:<6}  {group:<6}  {training:<8}  {net}\n"));
        }
        for scored in &report.draws {
            if let Some((_, reason)) = scored.outcome.without_score() {
                let net = &report.job.targets[scored.target].net;
                text.push_str(&format!(
                    "  draw {} ({}) of {net} has no score: {reason}\n",
                    scored.draw, scored.training
                ));
            }
        }
        text.push_str(&list_files(self.folder, &FILES));
        if report.stop != StopReason::Completed {
            text.push_str(&format!("\nGo on with:\n  {}\n", resume_command::<ScoreOptions>(self.folder)));
        }
        text
    }

    /// The result for a script; accuracies are fractions.
    pub fn json(&self) -> Value {
        let report = self.report;
        json!({
            "run": self.folder.path(),
            "stop": report.stop.to_string(),
            "results": report.draws.iter().map(|scored| self.draw_json(scored)).collect::<Vec<_>>(),
            "summary": report.summaries().iter().map(|summary| self.summary_json(summary)).collect::<Vec<_>>(),
        })
    }

    fn draw_json(&self, scored: &DrawOutcome) -> Value {
        let target = &self.report.job.targets[scored.target];
        let (kind, reason) = scored.outcome.without_score().unzip();
        let score = scored.score();
        json!({
            "net": target.net.to_string(),
            "group": target.group,
            "training": scored.training,
            "draw": scored.draw,
            "seed": scored.seed.0,
            "outcome": kind.unwrap_or("scored"),
            "reason": reason,
            "reward": score.map(|score| score.reward),
            "val_accuracy": score.map_or(&[][..], |score| &score.valid_accuracy),
            "train_accuracy": score.map_or(&[][..], |score| &score.train_accuracy),
            "test_accuracy": score.map(|score| score.test_accuracy),
            "test_accuracies": score.map_or(&[][..], |score| &score.test_accuracies),
            "train_flag": score.is_some_and(|score| score.train_flag),
        })
    }

    fn summary_json(&self, summary: &NetSummary) -> Value {
        let target = &self.report.job.targets[summary.target];
        let numbers = |summary: Option<Summary>| {
            summary.map(|summary| {
                json!({
                    "draws": summary.count,
                    "mean": summary.mean,
                    "std": summary.standard_deviation,
                    "interval_95": summary.interval.map(|(low, high)| [low, high]),
                })
            })
        };
        json!({
            "net": target.net.to_string(),
            "group": target.group,
            "searched_row": target.searched.map(|searched| searched.row),
            "searched_reward": target.searched.map(|searched| searched.reward),
            "training": summary.training,
            "unscored_draws": summary.without_score,
            "reward": numbers(summary.reward),
            "test_accuracy": numbers(summary.test_accuracy),
        })
    }

    /// The HTML report.
    pub fn html(&self) -> String {
        let report = self.report;
        let mut text = page_text(self.folder, self.settings);
        text.subtitle = format!("Fixed architectures under several draws of their weights: {}", report.stop);
        text.summary = vec![
            ("architectures".to_owned(), report.job.targets.len().to_string()),
            ("draws of each".to_owned(), report.job.draws.to_string()),
            ("scored in all".to_owned(), report.draws.len().to_string()),
        ];
        let mut page = TablePage::new(text);
        page.figures = self.figures();
        page.heading = "Architectures".to_owned();
        page.columns = COLUMNS.map(|(name, column)| (name.to_owned(), column)).to_vec();
        page.rows = report.summaries().iter().map(|summary| self.row(summary)).collect();
        page.to_html()
    }

    fn figures(&self) -> Vec<Figure> {
        let figure = |heading: &str, caption: &str, svg| {
            let (heading, caption) = (heading.to_owned(), caption.to_owned());
            Figure { heading, caption, svg }
        };
        let draws = self.report.draws_figure().map(|svg| {
            let caption =
                "Each point is one draw of an architecture's weights, each bar the 95 % interval of the mean.";
            figure("Rewards of the draws", caption, svg)
        });
        let curves = self.report.trainings.iter().filter_map(|&training| {
            let heading = match training {
                Training::Random => "Learning curves on random encoders",
                Training::Full => "Learning curves of full training",
            };
            let caption = "A colour for each architecture, a line for each draw.";
            Some(figure(heading, caption, self.report.learning_curves(training)?))
        });
        draws.into_iter().chain(curves).collect()
    }

    fn row(&self, summary: &NetSummary) -> Vec<String> {
        let target = &self.report.job.targets[summary.target];
        let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
        let interval = summary.reward.and_then(|reward| reward.interval);
        vec![
            target.net.to_string(),
            target.group.to_string(),
            summary.training.to_string(),
            summary.reward.map_or(0, |reward| reward.count).to_string(),
            number(summary.reward.map(|reward| reward.mean)),
            number(summary.reward.and_then(|reward| reward.standard_deviation)),
            interval.map_or("–".to_owned(), |(low, high)| format!("{low:.4} – {high:.4}")),
            number(summary.test_accuracy.map(|test| test.mean)),
            number(target.searched.map(|searched| searched.reward)),
        ]
    }
}

/// Columns of the report's table.
const COLUMNS: [(&str, Column); 9] = [
    ("Architecture", Column::Code),
    ("Group", Column::Text),
    ("Encoder", Column::Text),
    ("Draws", Column::Number),
    ("Mean reward", Column::Number),
    ("Std. deviation", Column::Number),
    ("95 % interval", Column::Number),
    ("Mean test", Column::Number),
    ("In the search", Column::Number),
];
