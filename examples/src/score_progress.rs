//! Progress of a scoring run on the terminal and in a log.

use crate::progress::{Display, describe};
use dpnas::ScoringEvent;
use dpnas::train::Epoch;
use std::fs::File;

/// Shows a scoring run: a bar on a terminal, a line for each draw elsewhere and in the log.
pub struct ScoreProgress {
    display: Display,
}

impl ScoreProgress {
    /// A display on standard error and a log; both also show the libraries' warnings.
    pub fn new(log: Option<File>) -> Self {
        Self { display: Display::new("draws", log) }
    }

    /// A hook that shows the epochs of a full training below the bar.
    pub fn epochs(&self) -> impl Fn(&dpnas::grammar::Net, &Epoch) + use<> {
        let bar = self.display.bar.clone();
        move |net, epoch| {
            bar.set_message(format!("epoch {}: validation {:.4}, {net}", epoch.index, epoch.valid_accuracy));
        }
    }

    /// Shows one event.
    pub fn show(&mut self, event: &ScoringEvent<'_>) {
        match event {
            ScoringEvent::Resumed { done, total } => {
                self.display.place(*done, *total);
                self.display.bar.reset_eta();
                self.display.say(&format!("resumed: {done} of {total} draws are in the journal"));
            }
            ScoringEvent::Scoring { target, training, draw, done, total } => {
                self.display.place(*done, *total);
                self.display.bar.set_message(format!("draw {draw}, {training}: {}", target.net));
            }
            ScoringEvent::Scored { target, scored, done, total } => {
                self.display.place(*done, *total);
                let outcome = describe(&scored.outcome);
                let line =
                    format!("{done}/{total} draw {}, {}: {outcome}, {}", scored.draw, scored.training, target.net);
                self.display.line(&line);
            }
            _ => {}
        }
    }

    /// Removes the bar from the terminal.
    pub fn finish(&self) {
        self.display.bar.finish_and_clear();
    }
}
