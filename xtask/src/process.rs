//! Child processes: what is run is printed first, and a failure names the line to rerun.

use anyhow::{Context, bail};
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

/// One command line with its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    program: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Call {
    /// A call of any program.
    pub(crate) fn new<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let arguments = arguments.into_iter().map(str::to_owned).collect();
        Self { program: program.to_owned(), arguments, variables: Vec::new() }
    }

    /// The program.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// A call of the cargo that runs this program.
    pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new("cargo", arguments)
    }

    /// The same call with one more argument.
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The same call with more arguments.
    pub(crate) fn args<'a>(self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// The same call with one more environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Prints the call, runs it in `folder` with the caller's streams and waits.
    ///
    /// # Errors
    /// If the program cannot be started or ends with another status than 0.
    pub(crate) fn run(&self, folder: &Path) -> anyhow::Result<()> {
        eprintln!("$ {self}");
        let status =
            self.command(folder).stdin(Stdio::null()).status().with_context(|| format!("cannot start `{self}`"))?;
        if !status.success() {
            bail!("`{self}` ended with {status}");
        }
        Ok(())
    }

    /// Runs the call in `folder` without printing it and returns its standard output.
    ///
    /// # Errors
    /// If the program cannot be started, fails (with its standard error) or prints something that is not UTF-8.
    pub(crate) fn output(&self, folder: &Path) -> anyhow::Result<String> {
        let output =
            self.command(folder).stdin(Stdio::null()).output().with_context(|| format!("cannot start `{self}`"))?;
        if !output.status.success() {
            bail!("`{self}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{self}` printed text that is not UTF-8"))
    }

    /// Prints the call, runs it in `folder` with the caller's standard error and returns its standard output.
    ///
    /// # Errors
    /// If the program cannot be started, fails or prints something that is not UTF-8.
    pub(crate) fn stdout(&self, folder: &Path) -> anyhow::Result<String> {
        eprintln!("$ {self}");
        let mut command = self.command(folder);
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot start `{self}`"))?;
        if !output.status.success() {
            bail!("`{self}` ended with {}", output.status);
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{self}` printed text that is not UTF-8"))
    }

    /// The process to start.
    pub(crate) fn command(&self, folder: &Path) -> Command {
        let program = match self.program.as_str() {
            "cargo" => std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()),
            other => other.to_owned(),
        };
        let mut command = Command::new(program);
        command.args(&self.arguments).current_dir(folder);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl fmt::Display for Call {
    /// The line as one would type it into a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&quoted(&self.program))?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_prints_as_a_shell_line() {
        let call = Call::cargo(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").arg("it's");
        assert_eq!(call.to_string(), r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s'");
    }

    #[test]
    fn output_is_what_the_program_printed() {
        let version = Call::cargo(["--version"]).output(Path::new(".")).unwrap();
        assert!(version.starts_with("cargo "), "{version}");
    }

    #[test]
    fn standard_output_alone_can_be_taken() {
        assert!(Call::cargo([]).args(["--version"]).stdout(Path::new(".")).unwrap().starts_with("cargo "));
        assert!(Call::cargo(["no-such-subcommand"]).stdout(Path::new(".")).is_err());
    }

    #[test]
    fn a_failure_names_the_line_and_what_the_program_said() {
        let error = Call::cargo(["no-such-subcommand"]).output(Path::new(".")).unwrap_err().to_string();
        assert!(error.contains("`cargo no-such-subcommand` ended with"), "{error}");
        assert!(error.contains("no such command"), "{error}");
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let error = Call::new("dpnas-no-such-program", []).run(Path::new(".")).unwrap_err().to_string();
        assert_eq!(error, "cannot start `dpnas-no-such-program`");
    }
}
