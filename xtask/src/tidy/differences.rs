//! The differences from the publication are numbered without gaps, and each names tests that exist.
//!
//! A difference is a heading `## D3 Title`; lines below it from `Test:` or `Tests:` on name functions in backticks.

use super::{Files, Finding};
use std::collections::BTreeSet;

const PAGE: &str = "docs/differences.md";

pub(super) fn check(files: &Files) -> Vec<Finding> {
    let tests: BTreeSet<&str> = files.ending(".rs").flat_map(|(_, text)| test_functions(text)).collect();
    let mut findings = Vec::new();
    let mut find = |line, what| findings.push((PAGE.to_owned(), line, what));
    // Line and number of tests of each difference.
    let mut differences: Vec<(usize, usize)> = Vec::new();
    let mut names_tests = false;
    for (number, line) in files.lines_of(PAGE) {
        names_tests = line.starts_with("Test:") || line.starts_with("Tests:") || names_tests && line.starts_with('`');
        if let Some(title) = line.strip_prefix("## ") {
            differences.push((number, 0));
            if !title.starts_with(&format!("D{} ", differences.len())) {
                find(number, format!("D{} is due here", differences.len()));
            }
        }
        let Some(last) = differences.last_mut().filter(|_| names_tests) else { continue };
        for test in line.split('`').skip(1).step_by(2) {
            last.1 += 1;
            if !tests.contains(test) {
                find(number, format!("there is no test `{test}`"));
            }
        }
    }
    for (line, _) in differences.iter().filter(|(_, tests)| *tests == 0) {
        find(*line, "this difference names no test: add a line like Test: `function_name`".to_owned());
    }
    if differences.is_empty() {
        find(1, "the page has no difference".to_owned());
    }
    findings
}

/// The names of the functions under `#[test]`.
fn test_functions(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[test]").skip(1).filter_map(|rest| {
        let rest = &rest[rest.find("fn ")? + 3..];
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<String> {
        let code = "#[test]\nfn holds() {}\nfn helper() {}\nproptest! { #[test] #[ignore] fn always_holds(x: u8) {} }";
        let found = check(&Files::new(&[(PAGE, page), ("crates/one/src/lib.rs", code)]));
        found.into_iter().map(|(_, line, what)| format!("{line}: {what}")).collect()
    }

    #[test]
    fn differences_with_tests_pass() {
        assert_eq!(
            found("# Page\n## D1 One\nText.\nTest: `holds`\n\n## D2 Two\nTests: `holds`, `always_holds`\n"),
            [""; 0]
        );
    }

    #[test]
    fn a_difference_without_a_test_is_found() {
        assert!(found("## D1 One\nText about `holds`.\n")[0].starts_with("1: this difference names no test"));
        assert_eq!(found("# Page\n"), ["1: the page has no difference"]);
    }

    #[test]
    fn a_test_that_does_not_exist_is_found() {
        assert_eq!(found("## D1 One\nTests: `holds`,\n`helper`\n"), ["3: there is no test `helper`"]);
    }

    #[test]
    fn numbers_are_consecutive_from_one() {
        assert_eq!(found("## D1 One\nTest: `holds`\n## D3 Three\nTest: `holds`\n"), ["3: D2 is due here"]);
    }
}
