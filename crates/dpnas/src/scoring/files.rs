//! Files of a scoring run that are derived from its journal.

#[cfg(feature = "report")]
use super::figures;
use super::report::{DrawOutcome, ScoringError, ScoringReport};
use super::runner::Training;
use super::{NetSummary, Summary};
use crate::RunFolder;
use crate::csv::replay_buffer::{percent, percent_list};
use crate::csv::write_table;
#[cfg(feature = "report")]
use crate::run::picture::write_picture;

/// Columns of `scores.csv`; accuracies are fractions.
const SCORES: [&str; 13] = [
    "net",
    "group",
    "searched_row",
    "searched_reward",
    "training",
    "draw",
    "seed",
    "outcome",
    "reward",
    "train_flag",
    "acc_best_val",
    "acc_test_last",
    "reason",
];

/// Columns of `summary.csv`; accuracies are fractions.
const SUMMARY: [&str; 14] = [
    "net",
    "group",
    "searched_row",
    "searched_reward",
    "training",
    "scored_draws",
    "unscored_draws",
    "reward_mean",
    "reward_std",
    "reward_low_95",
    "reward_high_95",
    "acc_test_mean",
    "acc_test_std",
    "tested_draws",
];

/// Columns of the CSV file of scored fixed nets; accuracies are percentages.
///
/// # Source
/// SPEC §9.
const FIXED_NETS: [&str; 5] = ["net", "acc_best_val", "acc_val_all_epochs", "acc_train_all_epochs", "acc_test_last"];

/// Brings every file of the folder up to date.
pub(crate) fn finish(folder: &RunFolder, report: &ScoringReport) -> Result<(), ScoringError> {
    write_table(folder, "scores.csv", &SCORES, report.draws.iter().map(|scored| scores_row(report, scored)))?;
    write_table(
        folder,
        "summary.csv",
        &SUMMARY,
        report.summaries().iter().map(|summary| summary_row(report, summary)),
    )?;
    for &training in &report.trainings {
        let draws = report.draws.iter().filter(|scored| scored.training == training);
        write_table(
            folder,
            fixed_nets_name(training),
            &FIXED_NETS,
            draws.map(|scored| fixed_nets_row(report, scored)),
        )?;
    }
    #[cfg(feature = "report")]
    for (name, svg) in figures::figures(report) {
        write_picture::<ScoringError>(folder, name, &svg)?;
    }
    Ok(())
}

fn fixed_nets_name(training: Training) -> &'static str {
    match training {
        Training::Random => "fixed_nets.csv",
        Training::Full => "fixed_nets_trained.csv",
    }
}

/// The first four columns of both tables.
fn origin(report: &ScoringReport, target: usize) -> [String; 4] {
    let target = &report.job.targets[target];
    let searched = target.searched.as_ref();
    [
        target.net.to_string(),
        target.group.to_string(),
        searched.map_or_else(String::new, |searched| searched.row.to_string()),
        searched.map_or_else(String::new, |searched| number(searched.reward)),
    ]
}

fn scores_row(report: &ScoringReport, scored: &DrawOutcome) -> [String; 13] {
    let [net, group, row, old] = origin(report, scored.target);
    let draw = [scored.training.to_string(), scored.draw.to_string(), scored.seed.0.to_string()];
    let nothing = String::new;
    let rest = match (scored.score(), scored.outcome.without_score()) {
        (Some(score), _) => [
            "scored".to_owned(),
            number(score.reward),
            flag(score.train_flag).to_owned(),
            number(score.best_valid()),
            number(score.test_accuracy),
            nothing(),
        ],
        (None, outcome) => {
            let (kind, reason) = outcome.unwrap_or_default();
            [kind.to_owned(), nothing(), nothing(), nothing(), nothing(), reason.to_owned()]
        }
    };
    let ([training, draw, seed], [outcome, reward, flag, best, test, reason]) = (draw, rest);
    [net, group, row, old, training, draw, seed, outcome, reward, flag, best, test, reason]
}

fn summary_row(report: &ScoringReport, summary: &NetSummary) -> [String; 14] {
    let [net, group, row, old] = origin(report, summary.target);
    let count = |summary: &Option<Summary>| summary.map_or(0, |summary| summary.count).to_string();
    let mean = |summary: &Option<Summary>| maybe(summary.map(|summary| summary.mean));
    let deviation = |summary: &Option<Summary>| maybe(summary.and_then(|summary| summary.standard_deviation));
    let interval = summary.reward.and_then(|summary| summary.interval);
    [
        net,
        group,
        row,
        old,
        summary.training.to_string(),
        count(&summary.reward),
        summary.without_score.to_string(),
        mean(&summary.reward),
        deviation(&summary.reward),
        maybe(interval.map(|(low, _)| low)),
        maybe(interval.map(|(_, high)| high)),
        mean(&summary.test_accuracy),
        deviation(&summary.test_accuracy),
        count(&summary.test_accuracy),
    ]
}

fn fixed_nets_row(report: &ScoringReport, scored: &DrawOutcome) -> [String; 5] {
    let net = report.job.targets[scored.target].net.to_string();
    match scored.score() {
        Some(score) => [
            net,
            percent(score.best_valid()),
            percent_list(&score.valid_accuracy),
            percent_list(&score.train_accuracy),
            percent(score.test_accuracy),
        ],
        None => [net, "0".to_owned(), "[0]".to_owned(), "[0]".to_owned(), "0".to_owned()],
    }
}

fn number(value: f64) -> String {
    format!("{value:?}")
}

fn maybe(value: Option<f64>) -> String {
    value.map_or_else(String::new, number)
}

fn flag(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}
