//! Results on standard output, as text or JSON, and in the run's report.

use crate::options::SearchOptions;
use crate::session::resume_command;
use dpnas::grammar::ImageShape;
use dpnas::report::{Baseline, BestNet, Cost, PageText, Relative, SearchPage};
use dpnas::search::{Member, Progress};
use dpnas::{ReplayRow, Report, RunFolder, StopReason, Summary, Trial, reward_points};
use serde_json::{Value, json};

/// Best architectures that are listed.
const LISTED: usize = 5;

/// What the report of a search says of it from the start to the end.
pub struct SearchReport<'a> {
    /// The run's folder.
    pub folder: &'a RunFolder,
    /// The settings' text.
    pub settings: &'a str,
    /// The images' shape.
    pub input: ImageShape,
    /// Name of the strategy.
    pub strategy: &'a str,
    /// The cost that is an objective beside the reward.
    pub objective: Option<Cost>,
}

impl SearchReport<'_> {
    /// The page of a replay buffer, the scored architectures, best first, and the family of the best.
    pub fn page(
        &self,
        state: &str,
        rows: &[ReplayRow],
        (best, family): (&[Trial], &[Member]),
        progress: Progress,
    ) -> SearchPage {
        let mut text = page_text(self.folder, self.settings);
        text.subtitle = format!("Deep-prior architecture search: {state}");
        text.summary = vec![
            ("architectures scored".to_owned(), best.len().to_string()),
            ("rows of the replay buffer".to_owned(), rows.len().to_string()),
            ("schedule".to_owned(), format!("{} of {}", progress.counted, progress.total)),
        ];
        let reward = best.first().map(|best| ("best reward".to_owned(), format!("{:.4}", best.metrics.reward)));
        text.summary.extend(reward);
        let mut page = SearchPage::new(text);
        page.strategy = self.strategy.to_owned();
        page.objective = self.objective;
        page.rows = reward_points(rows).into_iter().zip(rows.iter().map(|row| row.net.clone())).collect();
        let relative = |member: &Member| Relative {
            net: member.net.to_string(),
            value: member.value,
            parents: member.parents.clone(),
        };
        page.family = family.iter().map(relative).collect();
        page.nets = best.iter().map(|scored| self.net(scored)).collect();
        page
    }

    fn net(&self, scored: &Trial) -> BestNet {
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

/// A search at its end: what is printed.
pub struct SearchResult<'a> {
    /// The run's folder.
    pub folder: &'a RunFolder,
    /// The report of the runner.
    pub report: &'a Report,
    /// The page of the report.
    pub page: &'a SearchPage,
    /// Seconds of this sitting.
    pub seconds: f64,
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
        let nets = &self.page.nets;
        let column = |text: &str| self.page.objective.map_or_else(String::new, |_| format!("{text:>13}   "));
        let (cost, listed) = match self.page.objective {
            Some(cost) => (cost.name(), cost.front(nets)),
            None => ("", nets.iter().take(LISTED).collect()),
        };
        if !listed.is_empty() {
            text.push_str(&format!("  reward   test   {}architecture\n", column(cost)));
        }
        for net in listed {
            let test = net.test_accuracy.unwrap_or_default();
            let cost = self.page.objective.and_then(|cost| cost.of(net)).unwrap_or_default();
            let cost = column(&cost.to_string());
            text.push_str(&format!("  {:.4}  {test:.4}  {cost}{}\n", net.reward, net.net));
        }
        if let Some(Baseline { test_accuracy: baseline, .. }) = self.page.baseline {
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
        let mut json = json!({
            "run": self.folder.path(),
            "stop": self.report.stop.to_string(),
            "strategy": self.page.strategy,
            "budget": self.report.progress.total,
            "seconds": self.seconds,
            "candidates": self.report.best.len(),
            "rows": self.report.rows.len(),
            "best": best,
            "baseline_test_accuracy": self.page.baseline.as_ref().map(|baseline| baseline.test_accuracy),
        });
        if let Some(cost) = self.page.objective {
            let net = |net: &BestNet| {
                json!({
                    "net": net.net,
                    "reward": net.reward,
                    "test_accuracy": net.test_accuracy,
                    "multiply_adds": net.multiply_adds,
                    "parameters": net.parameters,
                })
            };
            json["front"] = cost.front(&self.page.nets).into_iter().map(net).collect();
        }
        json
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
