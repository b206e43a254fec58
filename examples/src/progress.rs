//! Progress of a search on the terminal and in a log.

use crate::warnings;
use dpnas::search::Progress;
use dpnas::{Outcome, RunEvent, Trial};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::borrow::Cow;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// A bar on standard error, hidden unless that is a terminal.
pub(crate) fn bar(template: &str) -> ProgressBar {
    let terminal = std::io::stderr().is_terminal();
    let target = if terminal { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸─")),
        Err(_) => bar,
    }
}

/// A line above a bar, or on standard error where the bar is hidden.
pub(crate) fn say(bar: &ProgressBar, text: &str) {
    if bar.is_hidden() { eprintln(text) } else { bar.println(text) }
}

/// A bar and a log; both also show the libraries' warnings.
pub(crate) struct Display {
    pub(crate) bar: ProgressBar,
    log: Option<File>,
}

impl Display {
    /// A display on standard error that counts `things`, and a log file.
    pub(crate) fn new(things: &str, log: Option<File>) -> Self {
        let times = "{elapsed_precise} elapsed, {eta_precise} left";
        let bar = bar(&format!("{{bar:30}} {{pos}}/{{len}} {things}  {times}\n{{msg}}"));
        warnings::attach(&bar, log.as_ref());
        Self { bar, log }
    }

    /// A line on the screen and in the log.
    pub(crate) fn say(&mut self, text: &str) {
        self.log(text);
        say(&self.bar, text);
    }

    /// Moves the bar.
    pub(crate) fn place(&self, done: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }

    /// A line in the log, and on the screen where there is no bar.
    pub(crate) fn line(&mut self, text: &str) {
        self.log(text);
        if self.bar.is_hidden() {
            eprintln(text);
        }
    }

    /// A line in the log. A log that cannot be written must not end a job: it is given up.
    pub(crate) fn log(&mut self, text: &str) {
        if let Some(log) = &mut self.log
            && writeln!(log, "{text}").is_err()
        {
            self.log = None;
        }
    }
}

/// An outcome in a few words.
pub(crate) fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Scored(score) => format!(
            "reward {:.4}, test {:.4}{}",
            score.reward,
            score.test_accuracy,
            if score.train_flag { "" } else { ", stopped early" }
        ),
        Outcome::Rejected { reason } => format!("rejected: {reason}"),
        Outcome::OutOfMemory { reason } => format!("out of memory: {reason}"),
        Outcome::Failed { reason } => format!("failed: {reason}"),
        _ => "done".to_owned(),
    }
}

/// Evaluations in a row that do not count before a warning.
const WARN_FRUITLESS: u64 = 50;

/// Shows a search: a bar on a terminal, a line for ten candidates elsewhere, and each candidate in the log.
pub struct SearchProgress {
    display: Display,
    strategy: String,
    started: Instant,
    /// Architectures that counted at the start.
    counted: Option<u64>,
    evaluated: u64,
    /// Candidates of this sitting that a rung stopped.
    stopped: u64,
    /// The time of the run, if it is limited.
    time: Option<Duration>,
}

impl SearchProgress {
    /// A display of a strategy on standard error and a log; both also show the libraries' warnings.
    pub fn new(strategy: &str, time: Option<Duration>, log: Option<File>) -> Self {
        let (display, strategy) = (Display::new("architectures", log), strategy.to_owned());
        #[expect(clippy::disallowed_methods, reason = "clock: shows a rate and decides no result")]
        let started = Instant::now();
        Self { display, strategy, started, counted: None, evaluated: 0, stopped: 0, time }
    }

    /// Shows one event.
    pub fn show(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Resumed { evaluated, progress } => {
                self.display.bar.set_length(progress.total);
                self.display.bar.set_position(progress.counted);
                self.display.bar.reset_eta();
                self.display.say(&format!("resumed: {evaluated} scored architectures are in the journal"));
            }
            RunEvent::Evaluating { candidate, progress } => {
                self.counted.get_or_insert(progress.counted);
                self.display.bar.set_length(self.expected(progress));
                self.display.bar.set_position(progress.counted);
                self.display
                    .log(&format!("candidate {} at ε = {}: {}", candidate.id, candidate.epsilon, candidate.net));
                self.display.bar.tick();
            }
            RunEvent::Rung { candidate, rung, score, goes_on, progress, best } => {
                let then = if *goes_on { "" } else { ", stopped" };
                self.display.log(&format!("candidate {}: {score:.4} at rung {}{then}", candidate.id, rung + 1));
                if !goes_on {
                    self.stopped += 1;
                    self.show_told(candidate.epsilon, *progress, *best);
                }
            }
            RunEvent::Told { candidate, outcome, progress, best } => {
                let outcome = describe(outcome);
                self.display.log(&format!("candidate {}: {outcome}", candidate.id));
                if progress.fruitless == WARN_FRUITLESS {
                    self.display.say(&format!(
                        "warning: none of the last {WARN_FRUITLESS} architectures counts towards the schedule; the last one: \
                         {outcome}. Look at the data set and the settings"
                    ));
                }
                self.show_told(candidate.epsilon, *progress, *best);
            }
            _ => {}
        }
    }

    /// Shows how far the search is, after a candidate.
    fn show_told(&mut self, epsilon: f64, progress: Progress, best: Option<&Trial>) {
        self.evaluated += 1;
        self.display.bar.set_position(progress.counted);
        let elapsed = self.started.elapsed();
        let rate = self.evaluated as f64 / elapsed.as_secs_f64().max(1e-9) * 60.0;
        let best = best.map_or_else(String::new, |best| format!("best {:.4} {}", best.metrics.reward, best.net));
        let strategy = &self.strategy;
        let stopped = match self.stopped {
            0 => String::new(),
            stopped => format!("{stopped} stopped at rungs, "),
        };
        self.display.bar.set_message(format!("{strategy}, ε = {epsilon}, {stopped}{rate:.1} a minute, {best}"));
        let (counted, total) = (progress.counted, self.expected(&progress));
        self.display.bar.set_length(total);
        if self.display.bar.is_hidden() && (self.evaluated.is_multiple_of(10) || counted == total) {
            let new = counted.saturating_sub(self.counted.unwrap_or_default());
            let left = match total.saturating_sub(counted) {
                rest if rest > 0 && new > 0 => {
                    format!("{} left, ", HumanDuration(elapsed.mul_f64(rest as f64 / new as f64)))
                }
                _ => String::new(),
            };
            eprintln(&format!(
                "{counted}/{total} architectures, {strategy}, ε = {epsilon}, {stopped}{rate:.1} a minute, {left}{best}"
            ));
        }
    }

    /// Seconds of this sitting.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Architectures at the end: those of the schedule, or as many as this sitting has time for at its rate.
    fn expected(&self, progress: &Progress) -> u64 {
        let new = progress.counted.saturating_sub(self.counted.unwrap_or_default());
        match self.time {
            Some(time) if new > 0 => {
                let whole = time.as_secs_f64() / self.started.elapsed().as_secs_f64().max(1e-9);
                let more = (new as f64 * (whole - 1.0).max(0.0)).ceil() as u64;
                progress.total.min(progress.counted.saturating_add(more))
            }
            _ => progress.total,
        }
    }

    /// Shows a warning.
    pub fn warn(&mut self, text: &str) {
        self.display.say(&format!("warning: {text}"));
    }

    /// Removes the bar from the terminal.
    pub fn finish(&self) {
        self.display.bar.finish_and_clear();
    }
}

/// A line on standard error. A closed standard error is no reason to end a search.
pub fn eprintln(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable(text));
}

/// A text without control characters, which could command a terminal: a file's name may have them.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let safe = |c: char| matches!(c, '\n' | '\t') || !c.is_control();
    if text.chars().all(safe) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if safe(c) { c.to_string() } else { c.escape_unicode().to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_name_that_would_command_a_terminal_is_spelled_out() {
        assert_eq!(printable("a\u{1b}[2J\r\u{7}ä\u{9b}\n\tb"), "a\\u{1b}[2J\\u{d}\\u{7}ä\\u{9b}\n\tb");
    }
}
