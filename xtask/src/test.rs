//! `cargo xtask test`: the one test command that the README names.

use crate::process::Call;
use std::path::Path;

/// The test command, as the README and `.ci/run` spell it.
pub(crate) const COMMAND: &str = "cargo test --workspace";

/// The test command as a call.
pub(crate) fn call() -> Call {
    Call::cargo(COMMAND.split(' ').skip(1))
}

/// Runs the test command.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    call().run(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_is_the_command_of_the_readme() {
        assert_eq!(call().to_string(), COMMAND);
    }
}
