//! Reading CSV files of pandas, Excel and LibreOffice by column name, and writing tables.

use crate::csv::error::{CsvError, io_error};
use crate::{FolderError, RunFolder};
use std::io::{Read, Write};
use std::path::Path;

/// Writes a table in a run folder.
pub(crate) fn write_table<R: IntoIterator<Item: AsRef<[u8]>>>(
    folder: &RunFolder,
    name: &str,
    header: impl IntoIterator<Item: AsRef<[u8]>>,
    mut rows: impl Iterator<Item = R>,
) -> Result<(), FolderError> {
    let write = |output: &mut dyn Write| -> Result<(), csv::Error> {
        let mut csv = csv::Writer::from_writer(output);
        csv.write_record(header)?;
        rows.try_for_each(|row| csv.write_record(row))?;
        Ok(csv.flush()?)
    };
    folder.replace_with(name, |output| write(output).map_err(io_error))
}

/// A CSV file with `N` known columns in any order, among others.
///
/// The reader accepts a byte order mark and CRLF, and skips the empty rows that spreadsheets leave.
pub(crate) struct Table<'a, R, const N: usize> {
    csv: csv::Reader<R>,
    path: &'a Path,
    names: &'a [&'static str; N],
    indices: [usize; N],
    record: csv::StringRecord,
    /// Number of the next row, from 0.
    next: usize,
}

impl<'a, R: Read, const N: usize> Table<'a, R, N> {
    /// Reads the header and finds the columns.
    pub(crate) fn new(input: R, path: &'a Path, names: &'a [&'static str; N]) -> Result<Self, CsvError> {
        let mut csv = csv::Reader::from_reader(input);
        let header = csv.headers().map_err(|error| CsvError::read(path, error))?;
        let mut indices = [0; N];
        for (index, &name) in indices.iter_mut().zip(names) {
            *index = header.iter().position(|found| found.trim() == name).ok_or_else(|| CsvError::MissingColumn {
                path: path.to_owned(),
                column: name,
                found: header.iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", "),
            })?;
        }
        Ok(Self { csv, path, names, indices, record: csv::StringRecord::new(), next: 0 })
    }

    /// The next row that is not empty.
    pub(crate) fn next_row(&mut self) -> Result<Option<TableRow<'_, N>>, CsvError> {
        loop {
            if !self.csv.read_record(&mut self.record).map_err(|error| CsvError::read(self.path, error))? {
                return Ok(None);
            }
            self.next += 1;
            if self.record.iter().any(|field| !field.trim().is_empty()) {
                let Self { path, names, record, indices, .. } = self;
                return Ok(Some(TableRow { path, number: self.next - 1, names, record, indices }));
            }
        }
    }
}

/// One row. A position is an index into the known columns.
pub(crate) struct TableRow<'a, const N: usize> {
    pub(crate) path: &'a Path,
    /// Number of the row, from 0.
    pub(crate) number: usize,
    names: &'a [&'static str; N],
    record: &'a csv::StringRecord,
    indices: &'a [usize; N],
}

impl<const N: usize> TableRow<'_, N> {
    pub(crate) fn field(&self, position: usize) -> &str {
        self.record.get(self.indices[position]).unwrap_or("").trim()
    }

    /// A boolean as Python, Excel, LibreOffice or C writes it.
    pub(crate) fn flag(&self, position: usize) -> Result<bool, CsvError> {
        match self.field(position).to_ascii_lowercase().as_str() {
            "true" | "1" | "1.0" => Ok(true),
            "false" | "0" | "0.0" => Ok(false),
            _ => Err(self.wrong(position, "True, False, 1 or 0")),
        }
    }

    pub(crate) fn wrong(&self, position: usize, expected: &'static str) -> CsvError {
        CsvError::Value {
            path: self.path.to_owned(),
            row: self.number,
            column: self.names[position],
            value: self.field(position).to_owned(),
            expected,
        }
    }
}
