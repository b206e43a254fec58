//! The README and the CI script spell the test command that `cargo xtask test` runs.

use super::{Finding, Tree};
use crate::test::COMMAND;

const FILES: &[&str] = &["README.md", ".ci/run"];

/// Finds files that lack a line with the test command.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let spells = |path: &str| tree.text(path).unwrap_or_default().lines().any(|line| line.trim() == COMMAND);
    let finding = |path: &&str| {
        Finding::new(
            path,
            1,
            format!("no line reads `{COMMAND}`"),
            "what the README promises is what CI runs",
            "write the command on a line of its own",
        )
    };
    FILES.iter().filter(|path| !spells(path)).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Fixture;

    #[test]
    fn each_file_without_the_command_on_a_line_of_its_own_is_found() {
        let fixture =
            Fixture::new(&[("README.md", "```sh\ncargo test --workspace\n```\n"), (".ci/run", "cargo test\n")]);
        let found = check(&fixture.tree);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with(".ci/run:1: no line reads `cargo test --workspace`"));
    }
}
