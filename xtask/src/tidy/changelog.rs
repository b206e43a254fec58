//! The changelog has a place for changes of results before the next release is cut.

use super::{Finding, Tree};

const FILE: &str = "CHANGELOG.md";
const UNRELEASED: &str = "## [Unreleased]";
const RESULTS: &str = "### Result-changing";

/// Finds a changelog without the section `Result-changing` under `Unreleased`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let text = tree.text(FILE).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let missing = match lines.iter().position(|line| *line == UNRELEASED) {
        None => Some((1, UNRELEASED)),
        Some(start) => {
            let section = lines[start + 1..].iter().take_while(|line| !line.starts_with("## "));
            (!section.into_iter().any(|line| *line == RESULTS)).then_some((start + 1, RESULTS))
        }
    };
    let finding = |(line, heading): (usize, &str)| {
        Finding::new(
            FILE,
            line,
            format!("the heading `{heading}` is missing"),
            "whoever repeats a search has to learn which version changes its numbers",
            format!("keep `{RESULTS}` under `{UNRELEASED}`, empty or not"),
        )
    };
    missing.map(finding).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Fixture;

    fn found(text: &str) -> Vec<usize> {
        check(&Fixture::new(&[(FILE, text)]).tree).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn the_section_has_to_lie_under_unreleased() {
        assert!(found("# Changelog\n## [Unreleased]\n### Added\n### Result-changing\n- x\n## [0.1.0]\n").is_empty());
        assert_eq!(found("# Changelog\n## [Unreleased]\n### Added\n## [0.1.0]\n### Result-changing\n"), [2]);
        assert_eq!(found("# Changelog\n"), [1]);
    }

    #[test]
    fn a_missing_changelog_is_found() {
        assert_eq!(check(&Fixture::new(&[]).tree).len(), 1);
    }
}
