//! One thing that a rule found: where, what, why it matters and what to do.

use std::fmt;

/// A broken rule at one place; displays as `file:line: what — why — what to do`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the workspace root.
    pub(crate) file: String,
    /// Line, counted from 1.
    pub(crate) line: usize,
    /// What is there, or missing.
    pub(crate) what: String,
    /// Why that matters.
    pub(crate) why: &'static str,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Finding {
    /// A finding at one line of a file.
    pub(crate) fn new(
        file: &str,
        line: usize,
        what: impl Into<String>,
        why: &'static str,
        remedy: impl Into<String>,
    ) -> Self {
        Self { file: file.to_owned(), line, what: what.into(), why, remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, what, why, remedy } = self;
        write!(f, "{file}:{line}: {what} — {why} — {remedy}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_prints_place_what_why_and_remedy() {
        let finding = Finding::new("a/b.rs", 7, "`dbg!`", "libraries do not print", "remove it");
        assert_eq!(finding.to_string(), "a/b.rs:7: `dbg!` — libraries do not print — remove it");
    }
}
