//! `cargo xtask bench parts`: the criterion benchmarks of the workspace.

use crate::process::Call;
use crate::tidy::Metadata;
use anyhow::bail;
use std::path::Path;

/// Which benchmarks to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run the benchmarks whose name contains this text
    filter: Option<String>,
    /// Packages whose benchmarks are run [default: all; those of dpnas-train build burn with optimisation]
    #[arg(long = "package", short = 'p', value_delimiter = ',', value_name = "PACKAGE,…")]
    packages: Vec<String>,
}

/// Runs every benchmark target, or the benchmarks whose name contains the filter.
///
/// # Errors
/// If cargo fails or the workspace has no benchmark.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let metadata = Metadata::of_manifests(root)?;
    let mut targets = benches(&metadata);
    if !arguments.packages.is_empty() {
        targets.retain(|(package, _)| arguments.packages.iter().any(|wanted| wanted == package));
    }
    if targets.is_empty() {
        bail!("no package of the workspace, or none that was asked for, has a [[bench]] target");
    }
    call(&targets, arguments.filter.as_deref()).run(root)
}

/// Package and name of every benchmark target.
fn benches(metadata: &Metadata) -> Vec<(&str, &str)> {
    let members = metadata.members();
    members.flat_map(|package| package.benches().map(|target| (package.name.as_str(), target.name.as_str()))).collect()
}

fn call(targets: &[(&str, &str)], filter: Option<&str>) -> Call {
    let packages = targets.iter().flat_map(|(package, _)| ["-p", package]);
    let names = targets.iter().flat_map(|(_, name)| ["--bench", name]);
    let call = Call::cargo(["bench"].into_iter().chain(packages).chain(names));
    filter.map_or(call.clone(), |filter| call.arg("--").arg(filter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bench_targets_are_run_and_the_filter_goes_to_criterion() {
        let targets = [("dpnas-search", "walk"), ("dpnas-train", "probe")];
        assert_eq!(
            call(&targets, Some("q table")).to_string(),
            "cargo bench -p dpnas-search -p dpnas-train --bench walk --bench probe -- 'q table'"
        );
    }

    #[test]
    fn bench_targets_come_from_the_manifests() {
        let metadata = Metadata::parse(
            r#"{"workspace_root": "/w", "workspace_members": ["a"], "packages": [{"id": "a", "name": "one",
                "version": "1.0.0", "license": null, "manifest_path": "/w/crates/one/Cargo.toml", "dependencies": [],
                "features": {}, "targets": [
                {"name": "one", "kind": ["lib"], "src_path": "/w/crates/one/src/lib.rs"},
                {"name": "speed", "kind": ["bench"], "src_path": "/w/crates/one/benches/speed.rs"}]}]}"#,
        )
        .unwrap();
        assert_eq!(benches(&metadata), [("one", "speed")]);
    }
}
