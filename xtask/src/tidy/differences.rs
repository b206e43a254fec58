//! Every numbered difference from the publication names a test that exists.
//!
//! A difference is a heading `## D3 Title`; below it a line `Test: …` names one or more tests in backticks, as a
//! function or with the path of its crate: `walk_is_uniform`, `dpnas_search::space::walk_is_uniform`.

use super::architecture::quoted;
use super::source::Source;
use super::{Finding, Metadata, Tree};

const FILE: &str = "docs/differences.md";

/// Finds numbers that are not consecutive and differences whose test is not named or does not exist.
pub(super) fn check(metadata: &Metadata, tree: &Tree) -> Vec<Finding> {
    let why = "a difference that no test holds may vanish unnoticed";
    let Some(text) = tree.text(FILE) else {
        return vec![Finding::new(FILE, 1, "the page is missing", why, "write it")];
    };
    let tests = Tests::of(metadata, tree);
    let mut findings = Vec::new();
    for (index, difference) in differences(&text).iter().enumerate() {
        let line = difference.line;
        if difference.number != index + 1 {
            let what = format!("D{} stands where D{} is due", difference.number, index + 1);
            let why = "other pages and the code point to these numbers";
            findings.push(Finding::new(FILE, line, what, why, "number the differences from D1 without gaps"));
        }
        if difference.tests.is_empty() {
            let what = format!("D{} names no test", difference.number);
            findings.push(Finding::new(FILE, line, what, why, "add a line like: Test: `function_name`"));
        }
        for (line, test) in difference.tests.iter().filter(|(_, test)| !tests.has(test)) {
            let what = format!("the test `{test}` of D{} does not exist", difference.number);
            findings.push(Finding::new(FILE, *line, what, why, "name a function under `#[test]`, or write it"));
        }
    }
    findings
}

struct Difference {
    line: usize,
    number: usize,
    /// Line and name of each test.
    tests: Vec<(usize, String)>,
}

fn differences(text: &str) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    for (index, text) in text.lines().enumerate() {
        if let Some(number) = heading(text) {
            found.push(Difference { line: index + 1, number, tests: Vec::new() });
        } else if let (Some(tests), Some(last)) = (named(text), found.last_mut()) {
            last.tests.extend(quoted(tests).map(|test| (index + 1, test.to_owned())));
        }
    }
    found
}

/// What follows `Test:` or `Tests:`, in a list item and in bold or not.
fn named(line: &str) -> Option<&str> {
    let line = line.trim_start_matches([' ', '-', '*']);
    line.strip_prefix("Test:").or_else(|| line.strip_prefix("Tests:"))
}

/// The number of a heading like `## D3 Title`.
fn heading(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("## D")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// The test functions of the workspace, each with the crate that has it.
struct Tests(Vec<(String, String)>);

impl Tests {
    fn of(metadata: &Metadata, tree: &Tree) -> Self {
        let mut tests = Vec::new();
        for package in metadata.members() {
            let files = tree.below(package.folder()).filter(|path| path.ends_with(".rs"));
            for source in files.filter_map(|path| Some(Source::new(path, tree.text(path)?))) {
                let name = package.name.replace('-', "_");
                tests.extend(source.test_functions().into_iter().map(|test| (name.clone(), test.to_owned())));
            }
        }
        Self(tests)
    }

    fn has(&self, path: &str) -> bool {
        let (module, function) = path.rsplit_once("::").unwrap_or(("", path));
        let package = module.split("::").next().unwrap_or_default().replace('-', "_");
        self.0.iter().any(|(of, test)| test == function && (module.is_empty() || *of == package))
    }
}

#[cfg(test)]
mod tests {
    use super::super::metadata::fixture::{metadata, package};
    use super::*;
    use crate::tidy::Fixture;

    fn found(page: &str) -> Vec<String> {
        let fixture = Fixture::new(&[
            (FILE, page),
            ("crates/dpnas-one/src/lib.rs", "#[test]\nfn holds() {}\nfn helper() {}"),
            ("crates/dpnas-one/tests/all.rs", "proptest! { #[test] fn always_holds(x: u8) {} }"),
        ]);
        let metadata = metadata(&[package("crates/dpnas-one", "dpnas-one", &[])]);
        check(&metadata, &fixture.tree).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn differences_with_tests_pass() {
        let page = "# Differences\n## D1 One\nText.\nTest: `holds`\n\n## D2 Two\n- Tests: `dpnas_one::walk::holds`, `always_holds`\n";
        assert!(found(page).is_empty(), "{:?}", found(page));
    }

    #[test]
    fn a_difference_without_a_test_is_found() {
        let found = found("## D1 One\nText about `holds`.\n");
        assert!(found[0].starts_with("docs/differences.md:1: D1 names no test — "), "{found:?}");
    }

    #[test]
    fn a_test_that_does_not_exist_is_found_with_its_line() {
        for name in ["gone", "helper", "dpnas_two::holds"] {
            let found = found(&format!("## D1 One\n\nTest: `{name}`\n"));
            let start = format!("docs/differences.md:3: the test `{name}` of D1 does not exist");
            assert!(found[0].starts_with(&start), "{found:?}");
        }
    }

    #[test]
    fn numbers_are_consecutive_from_one() {
        let found = found("## D1 One\nTest: `holds`\n## D3 Three\nTest: `holds`\n");
        assert!(found[0].starts_with("docs/differences.md:3: D3 stands where D2 is due"), "{found:?}");
    }

    #[test]
    fn a_missing_page_is_found() {
        let found = check(&metadata(&[]), &Fixture::new(&[]).tree);
        assert!(found[0].to_string().contains("the page is missing"));
    }
}
