//! `cargo xtask tidy`: what rustc and clippy cannot check, a module per rule.
//!
//! Each rule reads the files that git knows, or what cargo knows of the packages, and returns findings. The layers,
//! the house rules and the documents are described in `docs/architecture.md`; this is where they are enforced.

mod architecture;
mod arrows;
mod backends;
mod changelog;
mod clock;
mod commands;
mod differences;
mod finding;
mod length;
mod licences;
mod manifests;
mod metadata;
mod portable;
mod prints;
mod source;
mod spdx;
mod tested;
mod tree;
mod unsafe_code;

pub(crate) use finding::Finding;
pub(crate) use metadata::Metadata;
pub(crate) use tree::Tree;
#[cfg(test)]
pub(crate) use tree::fixture::Fixture;

use anyhow::bail;
use std::path::Path;

/// What the rules look at.
struct Workspace {
    tree: Tree,
    metadata: Metadata,
}

/// A rule looks at the workspace and returns what breaks it.
type Rule = fn(&Workspace) -> Vec<Finding>;

const RULES: &[(&str, Rule)] = &[
    ("arrows between crates point down", |on| arrows::check(&on.metadata, &on.tree)),
    ("libraries name no burn backend", |on| backends::check(&on.metadata, &on.tree)),
    ("manifests follow the house", |on| manifests::check(&on.metadata, &on.tree)),
    ("clocks and foreign random numbers are fenced off", |on| clock::check(&on.tree)),
    ("libraries do not print", |on| prints::check(&on.tree)),
    ("unsafe code is forbidden", |on| unsafe_code::check(&on.metadata, &on.tree)),
    ("every crate has a test", |on| tested::check(&on.metadata, &on.tree)),
    ("files of code are short", |on| length::check(&on.tree)),
    ("licences are on the list", |on| licences::check(&on.metadata, &on.tree)),
    ("documents spell the commands that CI runs", |on| commands::check(&on.tree)),
    ("the architecture page names paths that exist", |on| architecture::check(&on.tree)),
    ("differences are numbered and tested", |on| differences::check(&on.metadata, &on.tree)),
    ("the changelog has its sections", |on| changelog::check(&on.tree)),
    ("no file depends on one machine or registry", |on| portable::check(&on.tree)),
];

/// Applies every rule and prints what it found.
///
/// # Errors
/// If git or cargo cannot be asked, or a rule found something.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let workspace = Workspace { tree: Tree::of_git(root)?, metadata: Metadata::of_packages(root)? };
    let mut count = 0;
    for (name, rule) in RULES {
        let mut findings = rule(&workspace);
        findings.sort();
        if !findings.is_empty() {
            eprintln!("-- {name}:");
        }
        for finding in &findings {
            eprintln!("{finding}");
        }
        count += findings.len();
    }
    match count {
        0 => eprintln!("tidy: {} rules, {} files, nothing found", RULES.len(), workspace.tree.files().count()),
        1 => bail!("tidy found 1 thing to change"),
        more => bail!("tidy found {more} things to change"),
    }
    Ok(())
}
