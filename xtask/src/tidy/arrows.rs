//! Arrows between the crates of the workspace point down, and the lower crates know no burn.

use super::{Finding, Metadata, Tree};

/// A crate and the crates of the workspace that it may use.
type Layer = (&'static str, &'static [&'static str]);

const LAYERS: &[Layer] = &[
    ("xtask", &[]),
    ("dpnas-examples", &["dpnas"]),
    ("dpnas-bench", &["dpnas-kernels", "dpnas-prior", "dpnas-train", "dpnas-grammar", "dpnas-seed"]),
    (
        "dpnas",
        &[
            "dpnas-search",
            "dpnas-encoder",
            "dpnas-kernels",
            "dpnas-prior",
            "dpnas-full",
            "dpnas-train",
            "dpnas-cache",
            "dpnas-data",
            "dpnas-download",
            "dpnas-report",
            "dpnas-grammar",
            "dpnas-seed",
        ],
    ),
    ("dpnas-encoder", &["dpnas-prior", "dpnas-grammar", "dpnas-seed"]),
    ("dpnas-kernels", &["dpnas-prior", "dpnas-grammar", "dpnas-seed"]),
    ("dpnas-full", &["dpnas-train", "dpnas-prior", "dpnas-grammar", "dpnas-seed"]),
    ("dpnas-search", &["dpnas-grammar", "dpnas-seed"]),
    ("dpnas-prior", &["dpnas-grammar", "dpnas-seed"]),
    ("dpnas-data", &["dpnas-grammar", "dpnas-seed"]),
    ("dpnas-train", &["dpnas-grammar", "dpnas-seed"]),
    ("dpnas-cache", &[]),
    ("dpnas-download", &[]),
    ("dpnas-report", &[]),
    ("dpnas-grammar", &[]),
    ("dpnas-seed", &[]),
];

/// The crates that build without burn.
const BURN_FREE: &[&str] = &[
    "dpnas-grammar",
    "dpnas-seed",
    "dpnas-search",
    "dpnas-prior",
    "dpnas-data",
    "dpnas-download",
    "dpnas-kernels",
    "dpnas-cache",
    "dpnas-train",
    "dpnas-report",
    "dpnas-bench",
    "xtask",
];

/// Finds arrows that are not on the list and chains that lead to burn.
pub(super) fn check(metadata: &Metadata, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let members: Vec<&str> = metadata.members().map(|package| package.name.as_str()).collect();
    for package in metadata.members() {
        let manifest = &package.manifest_path;
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == package.name) else {
            findings.push(Finding::new(
                manifest,
                tree.line_of(manifest, "name ="),
                format!("`{}` has no place among the layers", package.name),
                "an arrow can only be checked if both of its ends are known",
                "add the crate to LAYERS in xtask/src/tidy/arrows.rs and to docs/architecture.md",
            ));
            continue;
        };
        let arrows = package.dependencies.iter().filter(|dependency| !dependency.is_dev()).map(|it| it.name.as_str());
        for target in arrows.filter(|name| members.contains(name) && !allowed.contains(name)) {
            findings.push(Finding::new(
                manifest,
                tree.line_of(manifest, &format!("{target}.workspace")),
                format!("`{}` depends on `{target}`", package.name),
                "arrows between crates only point down, so that each layer can be used and tested alone",
                "pass plain data instead, or move the code to a layer that may know both",
            ));
        }
        if BURN_FREE.contains(&package.name.as_str())
            && let Some(chain) = metadata.chain(package, |name| name == "burn" || name.starts_with("burn-"))
        {
            findings.push(Finding::new(
                manifest,
                tree.line_of(manifest, chain[0]),
                format!("`{}` depends on burn: {} → {}", package.name, package.name, chain.join(" → ")),
                "this crate promises to build without the tensor library",
                "move what needs a tensor to dpnas-encoder, dpnas-train or dpnas",
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

    fn normal(name: &str) -> Entry<'_> {
        (name, "1", None, &[])
    }

    fn found(packages: &[serde_json::Value]) -> Vec<String> {
        let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nnom = \"8\"\ndpnas-search.workspace = true\n";
        let fixture = Fixture::new(&[("crates/dpnas-grammar/Cargo.toml", manifest)]);
        check(&metadata(packages), &fixture.tree).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn an_arrow_that_points_up_is_found_with_its_line() {
        let found = found(&[
            package("crates/dpnas-grammar", "dpnas-grammar", &[normal("dpnas-search")]),
            package("crates/dpnas-search", "dpnas-search", &[normal("dpnas-grammar")]),
        ]);
        assert_eq!(found.len(), 1);
        let start = "crates/dpnas-grammar/Cargo.toml:6: `dpnas-grammar` depends on `dpnas-search` — arrows";
        assert!(found[0].starts_with(start), "{}", found[0]);
    }

    #[test]
    fn tests_may_use_any_crate() {
        let dev = ("dpnas-search", "1", Some("dev"), &[][..]);
        let packages = [
            package("crates/dpnas-grammar", "dpnas-grammar", &[dev]),
            package("crates/dpnas-search", "dpnas-search", &[]),
        ];
        assert!(found(&packages).is_empty());
    }

    #[test]
    fn a_chain_to_burn_is_found_and_spelled_out() {
        let found = found(&[
            package("crates/dpnas-grammar", "dpnas-grammar", &[normal("nom")]),
            package("", "nom", &[normal("burn-core")]),
            package("", "burn-core", &[]),
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains(":5: `dpnas-grammar` depends on burn: dpnas-grammar → nom → burn-core"), "{found:?}");
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        let found = found(&[package("crates/dpnas-new", "dpnas-new", &[])]);
        assert!(found[0].contains("`dpnas-new` has no place among the layers"), "{found:?}");
    }

    #[test]
    fn every_layer_is_listed_after_those_that_use_it() {
        for (index, (name, uses)) in LAYERS.iter().enumerate() {
            let position = |wanted: &str| LAYERS.iter().position(|(name, _)| *name == wanted).unwrap();
            assert!(uses.iter().all(|used| position(used) > index), "{name}");
        }
    }
}
