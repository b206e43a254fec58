//! What the `main` of every program does.

use crate::interrupt;
use crate::progress::{eprintln, printable};
use crate::warnings;
use anyhow::{Context, Result};
use clap::Parser;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Parses the arguments and runs a program. An error is printed; its status is 1, or that of the signal which was received.
pub fn run<A: Parser>(program: impl FnOnce(A) -> Result<ExitCode>) -> ExitCode {
    warnings::listen();
    interrupt::survive_size_limits();
    let result = match A::try_parse() {
        Ok(arguments) => program(arguments),
        Err(message) if message.use_stderr() => message.exit(),
        Err(help) => written(help.print().and_then(|()| io::stdout().flush())).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln(&format!("error: {error:#}"));
        interrupt::exit_status().unwrap_or(ExitCode::FAILURE)
    })
}

/// Prints a text on standard output, with a line end. A reader that has gone, as after `| head`, is no error.
///
/// # Errors
/// If standard output cannot be written, for example because it is a file on a full disk.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    written(writeln!(out, "{}", printable(text.trim_end_matches('\n'))).and_then(|()| out.flush()))
}

fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}
