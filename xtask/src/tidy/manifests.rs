//! Manifests: a folder has its crate's name, lints are inherited, and `anyhow` stays out of the libraries.

use super::{Finding, Metadata, Tree};
use toml::Table;

/// Finds manifests that leave the house style.
pub(super) fn check(metadata: &Metadata, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata.members() {
        let path = package.manifest_path.as_str();
        let manifest: Table = tree.text(path).and_then(|text| text.parse().ok()).unwrap_or_default();
        let inherits = |lints: &toml::Value| lints.get("workspace").and_then(toml::Value::as_bool) == Some(true);
        if !manifest.get("lints").is_some_and(inherits) {
            findings.push(Finding::new(
                path,
                tree.line_of(path, "[lints"),
                format!("`{}` does not inherit the lints", package.name),
                "a lint of the workspace holds for every crate",
                "write `[lints]` and `workspace = true`",
            ));
        }
        if !package.is_library() {
            continue;
        }
        if package.folder() != format!("crates/{}", package.name) {
            findings.push(Finding::new(
                path,
                tree.line_of(path, "name ="),
                format!("the crate in `{}` is called `{}`", package.folder(), package.name),
                "a crate is looked for in the folder of its name",
                format!("rename the folder to `crates/{}`", package.name),
            ));
        }
        if package.dependencies.iter().any(|dependency| dependency.name == "anyhow") {
            findings.push(Finding::new(
                path,
                tree.line_of(path, "anyhow"),
                format!("`{}` uses anyhow", package.name),
                "a caller of a library needs errors that it can tell apart",
                "write an error enum with thiserror",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::metadata::fixture::{Entry, metadata, package};
    use super::*;
    use crate::tidy::Fixture;

    const LINTS: &str = "[package]\nname = \"one\"\n[lints]\nworkspace = true\n[dependencies]\nanyhow = \"1\"\n";

    fn found(folder: &str, manifest: &str, dependencies: &[Entry<'_>]) -> Vec<String> {
        let fixture = Fixture::new(&[(&format!("{folder}/Cargo.toml"), manifest)]);
        let metadata = metadata(&[package(folder, "one", dependencies)]);
        check(&metadata, &fixture.tree).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_manifest_of_the_house_passes() {
        assert!(found("crates/one", LINTS, &[]).is_empty());
    }

    #[test]
    fn lints_that_are_not_inherited_are_found() {
        let found = found("xtask", "[package]\n[lints]\nclippy.all = \"allow\"\n", &[]);
        assert!(found[0].starts_with("xtask/Cargo.toml:2: `one` does not inherit the lints"), "{found:?}");
    }

    #[test]
    fn a_folder_of_another_name_is_found() {
        assert!(found("crates/two", LINTS, &[])[0].contains("the crate in `crates/two` is called `one`"));
    }

    #[test]
    fn anyhow_is_found_in_libraries_and_their_tests_only() {
        let uses = |kind| [("anyhow", "1", kind, &[][..])];
        assert!(found("crates/one", LINTS, &uses(None))[0].starts_with("crates/one/Cargo.toml:6: `one` uses anyhow"));
        assert_eq!(found("crates/one", LINTS, &uses(Some("dev"))).len(), 1);
        assert!(found("examples", LINTS, &uses(None)).is_empty());
    }
}
