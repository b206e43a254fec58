//! Results on standard output, as text or JSON, and in the run's report.

use crate::options::SearchOptions;
use crate::session::resume_command;
use dpnas::grammar::ImageShape;
use dpnas::report::{Baseline, BestNet, PageText, PlotOptions, SearchPage, reward_plot};
use dpnas::{Report, RunFolder, StopReason, Summary, Trial, reward_points};
use serde_json::{Value, json};

/// Best architectures that are listed.
const LISTED: usize = 5;

/// A search at its end: what is printed and reported.
pub struct SearchResult<'a> {
    /// The run's folder.
    pub folder: &'a RunFolder,
    /// The report of the runner.
    pub report: &'a Report,
    /// The images' shape.
    pub input: ImageShape,
    /// Test accuracy of the linear classifier on raw pixels, as a fraction; `None` if it was not trained to its end.
    pub baseline: Option<f64>,
    /// The settings' text.
    pub settings: &'a str,
}

impl SearchResult<'_> {
    /// The result for a reader.
    pub fn text(&self) -> String {
        let report = self.report;
        let mut text = match &report.stop {
            StopReason::Completed => format!("Search complete: {} architectures scored", report.best.len()),
            stop => format!("Search ended ({stop}): {} architectures scored so far", report.best.len()),
        };
        let earlier = report.best.iter().filter(|scored| scored.id.is_none()).count();
        if earlier > 0 {
            text.push_str(&format!(" ({earlier} of them by the earlier run)"));
        }
        text.push_str(&format!(", {} rows in the replay buffer.\n\n", report.rows.len()));
        if !report.best.is_empty() {
            text.push_str("  reward   test   architecture\n");
        }
        for Trial { net, metrics, .. } in report.best.iter().take(LISTED) {
            text.push_str(&format!("  {:.4}  {:.4}  {net}\n", metrics.reward, metrics.test_accuracy));
        }
        if let Some(baseline) = self.baseline {
            text.push_str(&format!("          {baseline:.4}  (the same linear classifier on raw pixels)\n"));
        }
        text.push_str(&list_files(self.folder, &["replay_buffer.csv", "q_values.csv", "rewards.png", "report.html"]));
        if report.stop != StopReason::Completed {
            let more = match report.stop {
                StopReason::Fruitless { evaluations } => format!(" --max-fruitless {}", 2 * evaluations),
                StopReason::TimeIsOver => " --time MORE".to_owned(),
                _ => String::new(),
            };
            text.push_str(&format!("\nGo on with:\n  {}{more}\n", resume_command::<SearchOptions>(self.folder)));
        }
        text
    }

    /// The result for a script; accuracies are fractions.
    pub fn json(&self) -> Value {
        let best = self.report.best.first().map(|best| {
            json!({
                "net": best.net.to_string(),
                "reward": best.metrics.reward,
                "test_accuracy": best.metrics.test_accuracy,
            })
        });
        json!({
            "run": self.folder.path(),
            "stop": self.report.stop.to_string(),
            "candidates": self.report.best.len(),
            "rows": self.report.rows.len(),
            "best": best,
            "baseline_test_accuracy": self.baseline,
        })
    }

    /// The HTML report.
    pub fn html(&self) -> String {
        let report = self.report;
        let mut text = page_text(self.folder, self.settings);
        text.subtitle = format!("Deep-prior architecture search: {}", report.stop);
        text.summary = vec![
            ("architectures scored".to_owned(), report.best.len().to_string()),
            ("rows of the replay buffer".to_owned(), report.rows.len().to_string()),
            ("schedule".to_owned(), format!("{} of {}", report.progress.counted, report.progress.total)),
        ];
        let mut page = SearchPage::new(text);
        page.plot = reward_plot(&reward_points(&report.rows), &PlotOptions::titled("Rewards of the search"));
        page.best = report.best.iter().take(20).map(|scored| self.best_net(scored)).collect();
        page.baseline = self
            .baseline
            .map(|test_accuracy| Baseline { name: "linear classifier on raw pixels".to_owned(), test_accuracy });
        page.to_html()
    }

    fn best_net(&self, scored: &Trial) -> BestNet {
        let plan = scored.net.plan(self.input).ok();
        BestNet {
            net: scored.net.to_string(),
            reward: scored.metrics.reward,
            valid_accuracy: scored.metrics.best_valid(),
            test_accuracy: Some(scored.metrics.test_accuracy),
            features: plan.as_ref().map(|plan| plan.features()),
            multiply_adds: plan.as_ref().map(|plan| plan.multiply_adds()),
            parameters: plan.as_ref().map(|plan| plan.parameters()),
        }
    }
}

/// Title, settings and footer of a run's report.
pub(crate) fn page_text(folder: &RunFolder, settings: &str) -> PageText {
    let name = folder.path().file_name().unwrap_or_default().to_string_lossy();
    let mut text = PageText::titled(name);
    let pair = |(key, value): (&str, &str)| (key.to_owned(), value.trim_matches('"').to_owned());
    text.settings = settings.lines().filter_map(|line| line.split_once(" = ")).map(pair).collect();
    text.footer = format!("dpnas {}", env!("CARGO_PKG_VERSION"));
    text
}

/// The files of a run that are there, a line each.
pub(crate) fn list_files(folder: &RunFolder, names: &[&str]) -> String {
    let paths = names.iter().map(|name| folder.file(name)).filter(|path| path.exists());
    paths.fold("\nFiles:\n".to_owned(), |text, path| text + &format!("  {}\n", path.display()))
}

/// Half of the width of an interval.
pub(crate) fn half_width(summary: Summary) -> Option<f64> {
    summary.interval.map(|(low, high)| (high - low) / 2.0)
}
