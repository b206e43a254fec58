//! Errors of reading CSV files.

use dpnas_grammar::ParseError;
use dpnas_search::State;
use std::io;
use std::path::{Path, PathBuf};

/// Why a CSV file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// The file is not CSV or cannot be read.
    #[error("{} cannot be read as CSV", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// A column is missing.
    #[error("{} has no column `{column}`; it has: {found}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The missing column.
        column: &'static str,
        /// The columns of the file.
        found: String,
    },
    /// A value does not fit its column.
    #[error("{}, row {row}, column `{column}`: `{value}` is not {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Number of the row, from 0.
        row: usize,
        /// The column.
        column: &'static str,
        /// The value.
        value: String,
        /// Values of the column.
        expected: &'static str,
    },
    /// An architecture does not parse.
    #[error("{}, row {row}, column `net`: not an architecture", path.display())]
    Net {
        /// The file.
        path: PathBuf,
        /// Number of the row, from 0.
        row: usize,
        /// What is wrong with it.
        source: Box<ParseError>,
    },
    /// The space has no step between the two states of a row of Q-values.
    #[error(
        "{}, row {row}: this space has no step from ({state}) to ({end}); continue with the space and the images of the \
         earlier run (the published program's space is `reference-code`)", path.display()
    )]
    NotAStep {
        /// The file.
        path: PathBuf,
        /// Number of the row, from 0.
        row: usize,
        /// The state in the columns `start_…`.
        state: State,
        /// The state in the columns `end_…`.
        end: State,
    },
}

impl CsvError {
    pub(crate) fn read(path: &Path, error: csv::Error) -> Self {
        Self::Read { path: path.to_owned(), source: io_error(error) }
    }
}

/// Unwraps the operating system's error, if any, so that callers recognise a full disk.
pub(crate) fn io_error(error: csv::Error) -> io::Error {
    match error.kind() {
        csv::ErrorKind::Io(_) => match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            kind => io::Error::other(format!("{kind:?}")),
        },
        _ => io::Error::other(error),
    }
}
