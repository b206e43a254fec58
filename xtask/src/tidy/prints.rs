//! Libraries return values or use `tracing`; they do not print.

use super::source::Source;
use super::{Finding, Tree};

const MACROS: &[&str] = &["println!", "eprintln!", "print!", "eprint!", "dbg!"];

/// Finds printing macros in `crates/*/src` outside tests.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in library_sources(tree) {
        for name in MACROS {
            findings.extend(source.outside_tests(name).map(|at| {
                Finding::new(
                    &source.path,
                    source.line(at),
                    format!("`{name}` in a library"),
                    "standard output belongs to the program, and a script may read it",
                    "return a value, or use `tracing`",
                )
            }));
        }
    }
    findings
}

/// The sources of `crates/*/src` without test modules.
pub(super) fn library_sources(tree: &Tree) -> Vec<Source> {
    let mut sources = Source::all(tree, ["crates"]);
    sources.retain(|source| source.path.split('/').nth(2) == Some("src"));
    sources
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Fixture;

    #[test]
    fn printing_is_found_in_library_code_alone() {
        let text = "fn f() {\n    eprintln!(\"x\");\n}\n// println! in a comment\n#[cfg(test)]\nmod tests { fn g() { println!() } }\n";
        let prints = "fn main() { println!() }";
        let fixture = Fixture::new(&[
            ("crates/one/src/lib.rs", text),
            ("crates/one/tests/all.rs", prints),
            ("examples/src/bin/search.rs", prints),
        ]);
        let found = check(&fixture.tree);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("crates/one/src/lib.rs:2: `eprintln!` in a library"));
    }
}
