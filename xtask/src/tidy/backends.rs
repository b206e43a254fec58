//! No library enables a burn backend outside its tests, and burn is pinned to one exact version.

use super::metadata::{Dependency, Package};
use super::{Finding, Metadata, Tree};

/// What follows `burn-` in the name of a backend's package, and the features of burn that switch one on.
const BACKENDS: &[&str] = &[
    "candle",
    "cpu",
    "cubecl",
    "cubecl-fusion",
    "cuda",
    "dispatch",
    "flex",
    "metal",
    "ndarray",
    "remote",
    "rocm",
    "router",
    "tch",
    "vulkan",
    "webgpu",
    "wgpu",
];

/// Finds backends in libraries and versions of burn that are not exact or not all the same.
pub(super) fn check(metadata: &Metadata, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata.libraries() {
        let dependencies = package.dependencies.iter().filter(|dependency| !dependency.is_dev());
        let named = dependencies.filter_map(backend_of);
        for backend in named.chain(backends_of_features(package)) {
            findings.push(Finding::new(
                &package.manifest_path,
                tree.line_of(&package.manifest_path, &backend),
                format!("`{}` enables the backend `{backend}`", package.name),
                "a library is generic over the backend; the programs choose it",
                "move the backend to dev-dependencies, or to examples/Cargo.toml",
            ));
        }
    }
    let mut pins = Vec::new();
    for package in metadata.members() {
        for dependency in package.dependencies.iter().filter(|dependency| is_burn(&dependency.name)) {
            pins.push((&package.manifest_path, dependency));
        }
    }
    let first = pins.first().map(|(_, dependency)| dependency.req.clone());
    for (manifest, Dependency { name, req, .. }) in pins {
        if !req.starts_with('=') || first.as_ref() != Some(req) {
            findings.push(Finding::new(
                manifest,
                tree.line_of(manifest, name),
                format!("`{name}` has the version `{req}`"),
                "burn changes its interface and its numbers between versions",
                "pin every burn package with `=` to one version in the workspace manifest",
            ));
        }
    }
    findings
}

fn is_burn(name: &str) -> bool {
    name == "burn" || name.starts_with("burn-")
}

/// The backend that a dependency is or switches on.
fn backend_of(dependency: &Dependency) -> Option<String> {
    let is_backend = |name: &str| BACKENDS.contains(&name);
    if dependency.name.strip_prefix("burn-").is_some_and(is_backend) {
        return Some(dependency.name.clone());
    }
    let feature = dependency.features.iter().find(|feature| is_backend(feature.trim_start_matches("burn-")));
    feature.filter(|_| is_burn(&dependency.name)).cloned()
}

/// The backends that a library's own features would switch on, as in `fast = ["burn/flex"]`.
fn backends_of_features(package: &Package) -> impl Iterator<Item = String> {
    package.features.values().flatten().filter_map(|effect| {
        let (name, feature) = effect.split_once('/')?;
        let is_backend = BACKENDS.contains(&feature.trim_start_matches("burn-"));
        (is_burn(name.trim_end_matches('?')) && is_backend).then(|| effect.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::super::metadata::fixture::{Entry, metadata, package};
    use super::*;
    use crate::tidy::Fixture;
    use serde_json::json;

    fn found_in(package: serde_json::Value) -> Vec<String> {
        let manifest = "[dependencies]\nburn.workspace = true\nburn-flex.workspace = true\n";
        let fixture = Fixture::new(&[("crates/one/Cargo.toml", manifest)]);
        check(&metadata(&[package]), &fixture.tree).iter().map(Finding::to_string).collect()
    }

    fn found(dependencies: &[Entry<'_>]) -> Vec<String> {
        found_in(package("crates/one", "one", dependencies))
    }

    #[test]
    fn a_backend_is_found_as_package_and_as_feature() {
        let of_package = found(&[("burn-flex", "=1.0.0", None, &[])]);
        assert!(of_package[0].starts_with("crates/one/Cargo.toml:3: `one` enables the backend `burn-flex`"));
        let of_feature = found(&[("burn", "=1.0.0", None, &["std", "wgpu"])]);
        assert!(of_feature[0].contains("`one` enables the backend `wgpu`"), "{of_feature:?}");
        let mut with_feature = package("crates/one", "one", &[]);
        with_feature["features"] = json!({ "fast": ["burn?/flex"], "other": ["serde/std"] });
        assert!(found_in(with_feature)[0].contains("`burn?/flex`"));
    }

    #[test]
    fn tests_and_programs_may_name_a_backend() {
        assert!(found(&[("burn-flex", "=1.0.0", Some("dev"), &[]), ("burn", "=1.0.0", None, &["std"])]).is_empty());
        assert!(found_in(package("examples", "examples", &[("burn-cuda", "=1.0.0", None, &[])])).is_empty());
    }

    #[test]
    fn burn_without_an_exact_version_or_with_two_is_found() {
        assert!(found(&[("burn", "^1.0.0", None, &[])])[0].contains("`burn` has the version `^1.0.0`"));
        let two = found(&[("burn", "=1.0.0", None, &[]), ("burn-nn", "=1.0.1", None, &[])]);
        assert_eq!(two.len(), 1);
        assert!(two[0].contains("`burn-nn` has the version `=1.0.1`"), "{two:?}");
    }
}
