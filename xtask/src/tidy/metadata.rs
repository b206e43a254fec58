//! What `cargo metadata` says about the packages: manifests after inheritance, targets, licences and the graph.

use crate::process::Call;
use anyhow::Context;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// The packages of the workspace and of everything below it.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    workspace_root: String,
    workspace_members: BTreeSet<String>,
    packages: Vec<Package>,
    #[serde(default)]
    resolve: Option<Resolve>,
}

/// One package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression.
    pub(crate) license: Option<String>,
    /// Path of `Cargo.toml`; of a member, from the root.
    pub(crate) manifest_path: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) targets: Vec<Target>,
}

/// One entry of a manifest's dependency tables, with what it inherits.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) req: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
    pub(crate) features: Vec<String>,
}

/// A library, binary, test or benchmark of a package.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    /// Path of the root file; of a member, from the root.
    pub(crate) src_path: String,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Debug, Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Metadata {
    /// The members' manifests alone.
    ///
    /// # Errors
    /// If cargo fails.
    pub(crate) fn of_manifests(root: &Path) -> anyhow::Result<Self> {
        Self::of_cargo(root, &["--no-deps"])
    }

    /// Every package of the lock file, with all features of the workspace and for every platform.
    ///
    /// # Errors
    /// If cargo fails.
    pub(crate) fn of_packages(root: &Path) -> anyhow::Result<Self> {
        Self::of_cargo(root, &["--all-features"])
    }

    fn of_cargo(root: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let arguments = ["metadata", "--format-version", "1"].iter().chain(more);
        Self::parse(&Call::cargo(arguments.copied()).output(root)?)
    }

    /// Reads what `cargo metadata` printed.
    ///
    /// # Errors
    /// If the text is not of that form.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut metadata: Self = serde_json::from_str(text).context("cannot read what `cargo metadata` printed")?;
        let root = metadata.workspace_root.clone();
        let relative = |path: &mut String| {
            if let Some(rest) = path.strip_prefix(&root) {
                *path = rest.replace('\\', "/").trim_start_matches('/').to_owned();
            }
        };
        for package in &mut metadata.packages {
            relative(&mut package.manifest_path);
            package.targets.iter_mut().for_each(|target| relative(&mut target.src_path));
        }
        Ok(metadata)
    }

    /// The packages of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The packages under `crates/`.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        self.members().filter(|package| package.is_library())
    }

    /// The packages that are not of the workspace.
    pub(crate) fn foreign(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| !self.workspace_members.contains(&package.id))
    }

    /// The shortest chain of normal dependencies from a package to one whose name fulfils `wanted`: names, first to
    /// last, without `from` itself.
    pub(crate) fn chain(&self, from: &Package, wanted: impl Fn(&str) -> bool) -> Option<Vec<&str>> {
        let names: BTreeMap<&str, &str> =
            self.packages.iter().map(|package| (package.id.as_str(), package.name.as_str())).collect();
        let nodes: BTreeMap<&str, &Node> =
            self.resolve.iter().flat_map(|resolve| &resolve.nodes).map(|node| (node.id.as_str(), node)).collect();
        let mut seen = BTreeSet::from([from.id.as_str()]);
        let mut queue = VecDeque::from([(from.id.as_str(), Vec::new())]);
        while let Some((id, chain)) = queue.pop_front() {
            for edge in nodes.get(id).map_or(&[][..], |node| &node.deps) {
                let normal = edge.dep_kinds.iter().any(|kind| kind.kind.is_none());
                if !normal || !seen.insert(&edge.pkg) {
                    continue;
                }
                let name = names.get(edge.pkg.as_str()).copied().unwrap_or(&edge.pkg);
                let longer: Vec<&str> = chain.iter().copied().chain([name]).collect();
                if wanted(name) {
                    return Some(longer);
                }
                queue.push_back((&edge.pkg, longer));
            }
        }
        None
    }
}

impl Package {
    /// Whether the package lies under `crates/`.
    pub(crate) fn is_library(&self) -> bool {
        self.manifest_path.starts_with("crates/")
    }

    /// The package's folder from the root.
    pub(crate) fn folder(&self) -> &str {
        self.manifest_path.trim_end_matches("Cargo.toml").trim_end_matches('/')
    }

    /// The benchmark targets.
    pub(crate) fn benches(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "bench"))
    }

    /// The library and the binaries.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Target> {
        let other = ["test", "bench", "example", "custom-build"];
        self.targets.iter().filter(move |target| !target.kind.iter().any(|kind| other.contains(&kind.as_str())))
    }
}

impl Dependency {
    /// Whether tests, benchmarks and examples alone use it.
    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::Metadata;
    use serde_json::{Value, json};

    /// One dependency: name, version requirement, kind, features.
    pub(crate) type Entry<'a> = (&'a str, &'a str, Option<&'a str>, &'a [&'a str]);

    /// One package of a fixture: folder (empty for one that is not of the workspace), name and dependencies.
    pub(crate) fn package(folder: &str, name: &str, dependencies: &[Entry<'_>]) -> Value {
        let entries = dependencies
            .iter()
            .map(|(name, req, kind, features)| json!({ "name": name, "req": req, "kind": kind, "features": features }));
        json!({
            "id": name, "name": name, "version": "1.0.0", "license": "MIT",
            "manifest_path": if folder.is_empty() { format!("/registry/{name}/Cargo.toml") } else { format!("/w/{folder}/Cargo.toml") },
            "dependencies": entries.collect::<Vec<_>>(), "features": {},
            "targets": [{ "name": name, "kind": ["lib"], "src_path": format!("/w/{folder}/src/lib.rs") }],
        })
    }

    /// The metadata of a workspace of these packages; every dependency is an edge of the graph.
    pub(crate) fn metadata(packages: &[Value]) -> Metadata {
        let path = |package: &Value| package["manifest_path"].as_str().unwrap().to_owned();
        let members: Vec<_> =
            packages.iter().filter(|package| path(package).starts_with("/w/")).map(|p| &p["id"]).collect();
        let node = |package: &Value| {
            let edges = package["dependencies"].as_array().unwrap().iter();
            let edges: Vec<_> =
                edges.map(|entry| json!({ "pkg": entry["name"], "dep_kinds": [{ "kind": entry["kind"] }] })).collect();
            json!({ "id": package["id"], "deps": edges })
        };
        let nodes: Vec<_> = packages.iter().map(node).collect();
        let document = json!({ "workspace_root": "/w", "workspace_members": members, "packages": packages, "resolve": { "nodes": nodes } });
        Metadata::parse(&document.to_string()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{metadata, package};
    use super::*;

    #[test]
    fn members_are_told_from_foreign_packages() {
        let metadata =
            metadata(&[package("crates/one", "one", &[]), package("xtask", "xtask", &[]), package("", "nom", &[])]);
        let names = |packages: Vec<&Package>| packages.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(metadata.members().collect()), ["one", "xtask"]);
        assert_eq!(names(metadata.libraries().collect()), ["one"]);
        assert_eq!(names(metadata.foreign().collect()), ["nom"]);
        assert_eq!(metadata.members().next().unwrap().folder(), "crates/one");
    }

    #[test]
    fn a_chain_is_the_shortest_and_has_normal_dependencies_only() {
        let normal = |name| (name, "1", None, &[][..]);
        let metadata = metadata(&[
            package("crates/one", "one", &[normal("a"), ("burn", "1", Some("dev"), &[])]),
            package("", "a", &[normal("b"), normal("burn-core")]),
            package("", "b", &[normal("burn-core")]),
            package("", "burn-core", &[]),
            package("", "burn", &[]),
        ]);
        let one = metadata.libraries().next().unwrap();
        assert_eq!(metadata.chain(one, |name| name.starts_with("burn")), Some(vec!["a", "burn-core"]));
        assert_eq!(metadata.chain(one, |name| name == "burn"), None);
    }
}
