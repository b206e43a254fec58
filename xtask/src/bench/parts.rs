//! `cargo xtask bench parts`: the criterion benchmarks of the workspace.

use crate::process::Call;
use std::path::Path;

/// Which benchmarks to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run the benchmarks whose name contains this text
    filter: Option<String>,
    /// Packages whose benchmarks are run [default: all]
    #[arg(long = "package", short = 'p', value_delimiter = ',', value_name = "PACKAGE,…")]
    packages: Vec<String>,
}

/// Runs every benchmark target, or the benchmarks whose name contains the filter.
///
/// # Errors
/// If cargo fails.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    call(arguments).run(root)
}

fn call(arguments: &Arguments) -> Call {
    let packages = arguments.packages.iter().flat_map(|package| ["-p", package]);
    let packages = packages.chain(arguments.packages.is_empty().then_some("--workspace"));
    // The targets alone: a library's tests know no option of criterion.
    let call = Call::cargo(["bench", "--bench", "*"]).args(packages);
    arguments.filter.iter().fold(call, |call, filter| call.args(["--", filter]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_names_packages_and_filter() {
        let line = |packages: &[&str], filter: Option<&str>| {
            let packages = packages.iter().map(|name| (*name).to_owned()).collect();
            call(&Arguments { filter: filter.map(str::to_owned), packages }).to_string()
        };
        assert_eq!(line(&[], None), "cargo bench --bench '*' --workspace");
        assert_eq!(line(&["dpnas-cache"], Some("file")), "cargo bench --bench '*' -p dpnas-cache -- file");
    }
}
