//! Every crate has a test of its own.

use super::source::Source;
use super::{Finding, Metadata, Tree};

/// Finds members without a `#[test]`, in their sources or in their `tests` folder.
pub(super) fn check(metadata: &Metadata, tree: &Tree) -> Vec<Finding> {
    let untested = metadata.members().filter(|package| {
        let files = tree.below(package.folder()).filter(|path| path.ends_with(".rs"));
        let texts = files.filter_map(|path| Some(Source::new(path, tree.text(path)?)));
        !texts.into_iter().any(|source| !source.test_functions().is_empty())
    });
    let finding = |package: &super::metadata::Package| {
        Finding::new(
            &package.manifest_path,
            1,
            format!("`{}` has no test", package.name),
            "`cargo test` covers every crate",
            "add a `#[test]` for what the crate promises",
        )
    };
    untested.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::metadata::fixture::{metadata, package};
    use super::*;
    use crate::tidy::Fixture;

    fn found(path: &str, text: &str) -> usize {
        let metadata = metadata(&[package("crates/one", "one", &[])]);
        check(&metadata, &Fixture::new(&[(path, text)]).tree).len()
    }

    #[test]
    fn a_test_or_a_property_counts_wherever_it_lies_in_the_crate() {
        assert_eq!(found("crates/one/src/a.rs", "#[test]\nfn holds() {}"), 0);
        assert_eq!(found("crates/one/tests/all.rs", "proptest! { #[test]\n fn holds(x: u8) {} }"), 0);
    }

    #[test]
    fn a_crate_without_a_test_is_found() {
        assert_eq!(found("crates/one/src/lib.rs", "// #[test]\n// fn holds() {}"), 1);
        assert_eq!(found("crates/one-more/src/lib.rs", "#[test]\nfn holds() {}"), 1);
    }
}
