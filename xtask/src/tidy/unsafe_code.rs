//! Unsafe code is forbidden at the root of every crate, except where a crate's purpose needs it.

use super::source::Source;
use super::{Finding, Metadata, Tree};

/// A crate in which one module may be unsafe, and why.
struct Exception {
    name: &'static str,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception { name: "dpnas-cache", reason: "embeddings larger than memory are read through a memory map" },
    Exception { name: "dpnas-kernels", reason: "kernels use vector instructions and check bounds once a plan" },
];

/// Finds crate roots without `#![forbid(unsafe_code)]`, and exceptions that leave their single module.
pub(super) fn check(metadata: &Metadata, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata.members() {
        let exception = EXCEPTIONS.iter().find(|exception| exception.name == package.name);
        let attribute = match exception {
            Some(_) => "#![deny(unsafe_code)]",
            None => "#![forbid(unsafe_code)]",
        };
        for root in package.roots() {
            let source = Source::new(&root.src_path, tree.text(&root.src_path).unwrap_or_default());
            // A crate on the list may be stricter than it has to be.
            if !source.code.contains(attribute) && !source.code.contains("#![forbid(unsafe_code)]") {
                findings.push(Finding::new(
                    &root.src_path,
                    1,
                    format!("the crate root lacks `{attribute}`"),
                    "unsafe code has to be argued for, one module at a time",
                    format!("add `{attribute}`; exceptions, with reasons, are listed in xtask/src/tidy/unsafe_code.rs"),
                ));
            }
        }
        let Some(Exception { reason, .. }) = exception else { continue };
        let sources = Source::all(tree, [package.folder()]);
        let allowed = sources.iter().flat_map(|source| source.words("allow(unsafe_code").map(move |at| (source, at)));
        for (source, at) in allowed.skip(1) {
            findings.push(Finding::new(
                &source.path,
                source.line(at),
                format!("a second module of `{}` allows unsafe code", package.name),
                reason,
                "keep all unsafe code of the crate in one module",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::metadata::fixture::{metadata, package};
    use super::*;
    use crate::tidy::Fixture;

    fn found(name: &str, files: &[(&str, &str)]) -> Vec<String> {
        let metadata = metadata(&[package(&format!("crates/{name}"), name, &[])]);
        check(&metadata, &Fixture::new(files).tree).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_root_that_forbids_passes_and_one_that_only_denies_does_not() {
        assert!(found("one", &[("crates/one/src/lib.rs", "//! Doc.\n#![forbid(unsafe_code)]\n")]).is_empty());
        let found = found("one", &[("crates/one/src/lib.rs", "// #![forbid(unsafe_code)]\n#![deny(unsafe_code)]\n")]);
        assert!(found[0].starts_with("crates/one/src/lib.rs:1: the crate root lacks `#![forbid(unsafe_code)]`"));
    }

    #[test]
    fn an_exception_has_one_unsafe_module() {
        let root =
            ("crates/dpnas-cache/src/lib.rs", "#![deny(unsafe_code)]\n#[allow(unsafe_code, reason = \"\")]\nmod map;");
        assert!(found("dpnas-cache", &[root]).is_empty());
        let found = found("dpnas-cache", &[root, ("crates/dpnas-cache/src/other.rs", "#![allow(unsafe_code)]")]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/dpnas-cache/src/other.rs:1: a second module of `dpnas-cache`"));
    }
}
