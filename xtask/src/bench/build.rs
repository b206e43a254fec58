//! Builds a program with optimisation and finds it.

use crate::process::Call;
use anyhow::Context;
use serde::Deserialize;
use std::path::Path;

/// Builds a target and gives the call of its program.
///
/// # Errors
/// If it does not build.
pub(crate) fn build<'a>(root: &Path, arguments: impl IntoIterator<Item = &'a str>, name: &str) -> anyhow::Result<Call> {
    let call = Call::cargo(["build", "--message-format=json-render-diagnostics"]).args(arguments);
    let messages = call.stdout(root)?;
    let program = executable(&messages, name).with_context(|| format!("`{call}` names no program `{name}`"))?;
    Ok(Call::new(&program, []))
}

/// The program of a target among cargo's messages.
fn executable(messages: &str, name: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Artifact {
        target: Target,
        executable: Option<String>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    artifacts.filter(|artifact| artifact.target.name == name).find_map(|artifact| artifact.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_among_the_messages_of_cargo() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"bench_net","kind":["lib"]},"executable":null}
{"reason":"compiler-artifact","target":{"name":"other","kind":["bin"]},"executable":"/t/release/other"}
{"reason":"compiler-artifact","target":{"name":"bench_net","kind":["bin"]},"executable":"/t/release/bench_net"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(executable(messages, "bench_net").as_deref(), Some("/t/release/bench_net"));
        assert_eq!(executable(messages, "bench_split"), None);
    }
}
