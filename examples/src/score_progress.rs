//! Progress of a scoring run on the terminal and in a log.

use crate::progress::eprintln;
use crate::warnings::show_warnings;
use dpnas::full::Epoch;
use dpnas::{Outcome, ScoringEvent};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::File;
use std::io::{IsTerminal, Write};

/// Shows a scoring run: a bar on a terminal, a line for each draw elsewhere and in the log.
pub struct ScoreProgress {
    bar: ProgressBar,
    log: Option<File>,
    terminal: bool,
}

impl ScoreProgress {
    /// A display on standard error, and a log file; both show the libraries' warnings, too.
    pub fn new(log: Option<File>) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = "{bar:30} {pos}/{len} draws  {elapsed_precise} elapsed, {eta_precise} left\n{msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        show_warnings(&bar, log.as_ref());
        Self { bar, log, terminal }
    }

    /// What shows the epochs of a full training below the bar.
    pub fn epochs(&self) -> impl Fn(&dpnas::grammar::Net, &Epoch) + use<> {
        let bar = self.bar.clone();
        move |net, epoch| {
            bar.set_message(format!("epoch {}: validation {:.4}, {net}", epoch.index, epoch.valid_accuracy));
        }
    }

    /// Takes in one event.
    pub fn show(&mut self, event: &ScoringEvent<'_>) {
        match event {
            ScoringEvent::Resumed { done, total } => {
                self.place(*done, *total);
                self.bar.reset_eta();
                self.say(&format!("resumed: {done} of {total} draws are in the journal"));
            }
            ScoringEvent::Scoring { target, training, draw, done, total } => {
                self.place(*done, *total);
                self.bar.set_message(format!("draw {draw}, {training}: {}", target.net));
            }
            ScoringEvent::Scored { target, scored, done, total } => {
                self.place(*done, *total);
                let told = match &scored.outcome {
                    Outcome::Scored(score) => format!(
                        "reward {:.4}, test {:.4}{}",
                        score.reward,
                        score.test_accuracy,
                        if score.train_flag { "" } else { ", stopped early" }
                    ),
                    Outcome::Rejected { reason } => format!("rejected: {reason}"),
                    Outcome::OutOfMemory { reason } => format!("out of memory: {reason}"),
                    _ => "done".to_owned(),
                };
                let line = format!("{done}/{total} draw {}, {}: {told}, {}", scored.draw, scored.training, target.net);
                self.log(&line);
                if !self.terminal {
                    eprintln(&line);
                }
            }
            _ => {}
        }
    }

    /// Removes the bar from the terminal.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn place(&self, done: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }

    fn say(&mut self, text: &str) {
        self.log(text);
        if self.terminal {
            self.bar.println(text);
        } else {
            eprintln(text);
        }
    }

    /// A log that cannot be written is given up: it must not end a run.
    fn log(&mut self, text: &str) {
        if let Some(log) = &mut self.log
            && writeln!(log, "{text}").is_err()
        {
            self.log = None;
        }
    }
}
