//! How often a run was killed during one evaluation.

use crate::Outcome;

/// The evaluations of one candidate that have no outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Attempts {
    begun: u32,
    /// What the evaluation had kept ([`Evaluate::kept`](crate::Evaluate::kept)) when it was begun last.
    kept: u64,
}

impl Attempts {
    /// The first evaluation begins.
    pub(crate) fn first() -> Self {
        Self { begun: 1, kept: 0 }
    }

    /// An evaluation begins. Those before do not count if something was kept since.
    pub(crate) fn begin(&mut self, kept: u64) {
        self.begun = if self.kills(kept, 1) { self.begun + 1 } else { 1 };
        self.kept = kept;
    }

    /// The outcome of a candidate that was begun twice and killed the run each time; `None` if it may be tried again.
    pub(crate) fn give_up(self, kept: u64) -> Option<Outcome> {
        let reason =
            "the process was killed twice while this was evaluated. If that was not its fault, score it by itself";
        self.kills(kept, 2).then(|| Outcome::Failed { reason: reason.to_owned() })
    }

    fn kills(self, kept: u64, times: u32) -> bool {
        self.begun >= times && self.kept == kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_without_progress_is_given_up() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.give_up(0), None);
        attempts.begin(0);
        assert_eq!(attempts.give_up(0), None);
        attempts.begin(0);
        assert!(matches!(attempts.give_up(0), Some(Outcome::Failed { .. })));
        assert_eq!(attempts.give_up(7), None, "something was kept since");
        attempts.begin(7);
        assert_eq!(attempts.give_up(7), None);
        attempts.begin(7);
        assert!(attempts.give_up(7).is_some());
    }
}
