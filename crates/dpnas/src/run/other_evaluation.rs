//! The error of resuming a run with another evaluation.

use std::fmt;

/// A run began with another evaluation than the present one. The message shows the differing parts and how to restore
/// them.
///
/// Parts are separated by `; ` in the identities of this crate's evaluators.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherEvaluation {
    /// Identity of the evaluator that the run began with.
    pub begun: String,
    /// Identity of the present evaluator.
    pub now: String,
}

impl OtherEvaluation {
    pub(crate) fn new(begun: String, now: String) -> Self {
        Self { begun, now }
    }

    /// The parts of `text` that are not in `other`.
    fn parts<'a>(text: &'a str, other: &str) -> Vec<&'a str> {
        text.split("; ").filter(|part| !other.split("; ").any(|other| other == *part)).collect()
    }
}

impl std::error::Error for OtherEvaluation {}

impl fmt::Display for OtherEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (begun, now) = (Self::parts(&self.begun, &self.now), Self::parts(&self.now, &self.begun));
        writeln!(
            f,
            "this run was begun with\n  {}\nand would be resumed with\n  {}",
            begun.join("; "),
            now.join("; ")
        )?;
        f.write_str("which would mix two experiments: ")?;
        let levels = [&begun, &now].map(|parts| parts.iter().find_map(|part| level(part)));
        match levels {
            [Some(begun), Some(now)] if begun != now => write!(
                f,
                "the instructions of the processor differ. Set DPNAS_CPU_LEVEL={begun} to resume the run, on a processor that \
                 has them, or begin a new run"
            ),
            _ if begun.iter().all(|part| part.starts_with("data ")) => {
                f.write_str("the images differ. Name the data set of the run, or begin a new run")
            }
            _ => f.write_str("restore device and settings, or begin a new run"),
        }
    }
}

/// The level of the CPU kernels in a part such as `deep prior on cpu avx512-bf16 bf16 v4`, in the form of the variable
/// `DPNAS_CPU_LEVEL`.
fn level(part: &str) -> Option<&str> {
    let (_, engine) = part.split_once(" on cpu ")?;
    engine.split([' ', '-']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(begun: &str, now: &str) -> String {
        let head = "this run was begun with\n  ";
        let text = OtherEvaluation::new(begun.to_owned(), now.to_owned()).to_string();
        text.strip_prefix(head).unwrap().to_owned()
    }

    #[test]
    fn only_the_parts_that_differ_are_shown_with_the_way_back() {
        let same = "init kaiming-normal seed 0; classifier 70 epochs";
        assert_eq!(
            message(
                &format!("deep prior v1 on cpu avx2 f32 v4; data ab-cd; {same}"),
                &format!("deep prior v1 on cpu avx512 f32 v4; data ab-cd; {same}"),
            ),
            "deep prior v1 on cpu avx2 f32 v4\nand would be resumed with\n  deep prior v1 on cpu avx512 f32 v4\nwhich would mix \
             two experiments: the instructions of the processor differ. Set DPNAS_CPU_LEVEL=avx2 to resume the run, on a \
             processor that has them, or begin a new run"
        );
        let bf16 = message("deep prior v1 on cpu avx512-bf16 bf16 v4; x", "deep prior v1 on cpu amx bf16 v4; x");
        assert!(bf16.contains("DPNAS_CPU_LEVEL=avx512 to"), "{bf16}");
        assert_eq!(
            message(&format!("e; data ab-cd; {same}"), &format!("e; data ab-ce; {same}")),
            "data ab-cd\nand would be resumed with\n  data ab-ce\nwhich would mix two experiments: the images differ. Name \
             the data set of the run, or begin a new run"
        );
        for (begun, now) in
            [("e; data a; 70 epochs", "e; data b; 60 epochs"), ("a", "b"), ("e on cpu avx2 f32", "e on flex")]
        {
            assert!(message(begun, now).ends_with("restore device and settings, or begin a new run"), "{begun}");
        }
    }
}
