//! Clocks and foreign random numbers stay out of everything that decides a result.
//!
//! `clippy.toml` disallows the functions. A library that wants the time for a log, a name or the order of a cache says so
//! at the item that reads it, as in `#[expect(clippy::disallowed_methods, reason = "clock: seconds for the log")]`. The
//! reason, or the comment above the attribute, names the clock: no random number is excused, and no whole module.

use super::prints::library_sources;
use super::source::Source;
use super::{Finding, Tree};

const FILE: &str = "clippy.toml";
const LINT: &str = "clippy::disallowed_methods";

/// What `clippy.toml` has to disallow.
const DISALLOWED: &[&str] = &[
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::time::SystemTime::elapsed",
    "burn::tensor::backend::Backend::seed",
    "burn::tensor::Tensor::random",
];

/// Finds a list that lacks an entry, a second list that would hide it, and places that switch the lint off.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = list(tree);
    let hides = |path: &&str| path.ends_with("/clippy.toml") || path.ends_with(".clippy.toml");
    findings.extend(tree.files().filter(hides).map(|path| {
        let why = "clippy reads the nearest list and forgets the one at the root";
        Finding::new(path, 1, "a second clippy configuration", why, "move its settings to clippy.toml")
    }));
    for path in tree.files().filter(|path| path.ends_with("Cargo.toml")) {
        let text = tree.text(path).unwrap_or_default();
        let off = |line: &str| line.starts_with("disallowed_methods") || line.starts_with("disallowed-methods");
        findings.extend(text.lines().enumerate().filter(|(_, line)| off(line.trim_start())).map(|(index, _)| {
            Finding::new(path, index + 1, "a manifest sets the level of disallowed_methods", WHY, REMEDY)
        }));
    }
    findings.extend(library_sources(tree).iter().flat_map(excuses));
    findings
}

const WHY: &str = "a result that depends on the time or on a foreign random number cannot be repeated";
const REMEDY: &str = "draw from dpnas-seed, take the time as an argument, or, for a log alone, put \
     `#[expect(clippy::disallowed_methods, reason = \"clock: …\")]` on the smallest item";

/// Entries that `clippy.toml` lacks.
fn list(tree: &Tree) -> Vec<Finding> {
    let table: toml::Table = tree.text(FILE).and_then(|text| text.parse().ok()).unwrap_or_default();
    let entries = table.get("disallowed-methods").and_then(toml::Value::as_array);
    let of = |entry: &toml::Value, key| entry.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    let given = |path: &str| {
        let mut entries = entries.into_iter().flatten();
        entries.any(|entry| of(entry, "path") == path && !of(entry, "reason").is_empty())
    };
    let finding = |path: &&str| {
        let what = format!("`{path}` is not disallowed with a reason");
        Finding::new(FILE, 1, what, WHY, "add `{ path = \"…\", reason = \"…\" }` to disallowed-methods")
    };
    DISALLOWED.iter().filter(|path| !given(path)).map(finding).collect()
}

/// Attributes of a library that switch the lint off without a reason, or for the whole file.
fn excuses(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in source.outside_tests(LINT) {
        let start = source.code[..at].rfind('#').unwrap_or(at);
        let end = source.code[at..].find(")]").map_or(source.code.len(), |end| at + end);
        let attribute = &source.text[start..end];
        let above = source.text[..start].trim_end().lines().next_back().unwrap_or_default();
        let comment = above.find("//").map_or("", |comment| &above[comment..]);
        let what = if attribute.starts_with("#!") {
            "disallowed_methods is switched off for a whole module"
        } else if !has_word(attribute, "clock") && !has_word(comment, "clock") {
            "disallowed_methods is switched off without a reason that names the clock"
        } else {
            continue;
        };
        findings.push(Finding::new(&source.path, source.line(at), what, WHY, REMEDY));
    }
    findings
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Fixture;

    fn full_list() -> String {
        let entry = |path: &&str| format!("    {{ path = \"{path}\", reason = \"why\" }},\n");
        format!("disallowed-methods = [\n{}]\n", DISALLOWED.iter().map(entry).collect::<String>())
    }

    fn found(list: &str, path: &str, text: &str) -> Vec<String> {
        let fixture = Fixture::new(&[(FILE, list), (path, text)]);
        check(&fixture.tree).iter().map(Finding::to_string).collect()
    }

    fn in_library(text: &str) -> Vec<String> {
        found(&full_list(), "crates/one/src/lib.rs", text)
    }

    #[test]
    fn an_item_may_read_the_clock_with_a_reason() {
        let attribute = "#[expect(clippy::disallowed_methods, reason = \"clock: the log line\")]\nfn f() {}\n";
        assert!(in_library(attribute).is_empty());
        let comment = "let x = 1;\n// clock: the log line.\n#[allow(clippy::disallowed_methods)]\nfn f() {}\n";
        assert!(in_library(comment).is_empty());
        assert!(
            in_library(
                "// clippy::disallowed_methods\n#[cfg(test)]\nmod tests { #![allow(clippy::disallowed_methods)] }"
            )
            .is_empty()
        );
    }

    #[test]
    fn a_missing_or_another_reason_is_found() {
        for attribute in [
            "#[allow(clippy::disallowed_methods)]",
            "#[expect(clippy::disallowed_methods, reason = \"a blocked call\")]",
        ] {
            let found = in_library(&format!("//! Doc.\n{attribute}\nfn f() {{}}\n"));
            assert!(found[0].starts_with("crates/one/src/lib.rs:2: disallowed_methods is switched off without"));
        }
    }

    #[test]
    fn a_whole_module_cannot_be_excused() {
        let found = in_library("#![allow(clippy::disallowed_methods, reason = \"clock: x\")]\n");
        assert!(found[0].starts_with("crates/one/src/lib.rs:1: disallowed_methods is switched off for a whole module"));
    }

    #[test]
    fn programs_may_read_the_clock() {
        assert!(found(&full_list(), "examples/src/bin/a.rs", "#![allow(clippy::disallowed_methods)]").is_empty());
    }

    #[test]
    fn a_list_without_an_entry_or_its_reason_is_found() {
        assert_eq!(found("", "a.md", "").len(), DISALLOWED.len());
        let without_reason = full_list().replacen("\"why\"", "\"\"", 1);
        let found = found(&without_reason, "a.md", "");
        assert!(found[0].starts_with("clippy.toml:1: `std::time::Instant::now` is not disallowed with a reason"));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_list_or_a_manifest_that_hides_the_rule_is_found() {
        assert!(found(&full_list(), "crates/one/clippy.toml", "")[0].contains("a second clippy configuration"));
        let manifest = "[workspace.lints.clippy]\ndisallowed_methods = \"allow\"\n";
        assert!(found(&full_list(), "Cargo.toml", manifest)[0].starts_with("Cargo.toml:2: a manifest sets the level"));
    }
}
