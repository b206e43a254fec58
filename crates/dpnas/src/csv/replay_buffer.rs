//! The replay buffer as a CSV file, which pandas and the published program read.

use crate::Metrics;
use crate::csv::error::{CsvError, io_error};
use crate::csv::python_number::python_number;
use crate::csv::table::Table;
use serde::Serialize;
use std::io::{self, Read, Write};
use std::path::Path;

/// Columns of the file after the unnamed index.
pub const REPLAY_COLUMNS: [&str; 8] = [
    "epsilon",
    "net",
    "train_flag",
    "reward",
    "acc_best_val",
    "acc_val_all_epochs",
    "acc_train_all_epochs",
    "acc_test_last",
];

/// One row of the replay buffer. Accuracies are fractions here and percentages in the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayRow {
    /// The ε at which the architecture was drawn.
    pub epsilon: f64,
    /// The architecture's text.
    pub net: String,
    /// Metrics of its training; `None` for a rejected architecture.
    pub metrics: Option<Metrics>,
}

impl ReplayRow {
    /// The reward; 0 for a rejected architecture.
    pub fn reward(&self) -> f64 {
        self.metrics.as_ref().map_or(0.0, |score| score.reward)
    }

    /// The fields of the row in the file.
    pub(crate) fn fields(&self) -> ReplayFields {
        let [flag, reward, best, valid, train, test] = match &self.metrics {
            Some(score) => [
                (if score.train_flag { "True" } else { "False" }).to_owned(),
                python_number(score.reward),
                percent(score.best_valid()),
                percent_list(&score.valid_accuracy),
                percent_list(&score.train_accuracy),
                percent(score.test_accuracy),
            ],
            None => ["False", "0.0", "0", "[0]", "[0]", "0"].map(str::to_owned),
        };
        [python_number(self.epsilon), self.net.clone(), flag, reward, best, valid, train, test]
    }
}

/// The fields of a row in the file, in the order of [`REPLAY_COLUMNS`].
pub(crate) type ReplayFields = [String; 8];

/// Writes the header, then row by row.
#[derive(Debug)]
pub struct ReplayWriter<W: Write> {
    csv: csv::Writer<W>,
    next: usize,
}

impl<W: Write> ReplayWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// If the output fails.
    pub fn new(output: W) -> io::Result<Self> {
        let mut csv = csv::Writer::from_writer(output);
        csv.write_record([""].iter().chain(&REPLAY_COLUMNS)).map_err(io_error)?;
        csv.flush()?;
        Ok(Self { csv, next: 0 })
    }

    /// Continues a file that already has `rows` rows.
    pub fn continuing(output: W, rows: usize) -> Self {
        Self { csv: csv::Writer::from_writer(output), next: rows }
    }

    /// Writes one row and flushes it.
    ///
    /// # Errors
    /// If the output fails.
    ///
    /// # Source
    /// SPEC §9.
    pub fn write(&mut self, row: &ReplayRow) -> io::Result<()> {
        self.write_fields(&row.fields())
    }

    /// Writes the fields of one row after their index, and flushes them.
    pub(crate) fn write_fields(&mut self, fields: &ReplayFields) -> io::Result<()> {
        let index = self.next.to_string();
        self.csv.write_record([&index].into_iter().chain(fields)).map_err(io_error)?;
        self.csv.flush()?;
        self.next += 1;
        Ok(())
    }
}

/// Reads a replay buffer of this or the published program.
///
/// Columns are found by name, in any order. A row with reward 0, flag `False` and no validation accuracy above 0 is a
/// rejected architecture.
///
/// # Errors
/// A missing column or an invalid value. The error names column and row.
///
/// # Source
/// SPEC §9.
pub fn read_replay_buffer(input: impl Read, path: &Path) -> Result<Vec<ReplayRow>, CsvError> {
    Ok(read_replay_fields(input, path)?.into_iter().map(|(row, _)| row).collect())
}

/// Same as [`read_replay_buffer`]; each row comes with its fields in the file.
pub(crate) fn read_replay_fields(input: impl Read, path: &Path) -> Result<Vec<(ReplayRow, ReplayFields)>, CsvError> {
    let mut table = Table::new(input, path, &REPLAY_COLUMNS)?;
    let mut rows = Vec::new();
    while let Some(line) = table.next_row()? {
        let (field, wrong) = (|position| line.field(position), |position, expected| line.wrong(position, expected));
        let fraction = |position: usize| {
            let value = field(position).parse::<f64>().ok().filter(|value| (0.0..=1.0).contains(value));
            value.ok_or_else(|| wrong(position, "a number from 0 to 1"))
        };
        let percentage = |position: usize| {
            let value = field(position).parse::<f64>().ok().filter(|value| (0.0..=100.0).contains(value));
            value.map(fraction_of).ok_or_else(|| wrong(position, "a percentage from 0 to 100"))
        };
        let list = |position: usize| {
            parse_list(field(position)).ok_or_else(|| wrong(position, "a list of percentages such as [71.2, 74.5]"))
        };
        let flag = line.flag(2)?;
        let (reward, valid_accuracy, train_accuracy) = (fraction(3)?, list(5)?, list(6)?);
        let (_best, test_accuracy) = (percentage(4)?, percentage(7)?);
        let rejected = reward == 0.0 && !flag && valid_accuracy.iter().all(|&value| value == 0.0);
        let test_accuracies = Vec::new();
        let score =
            Metrics { reward, train_flag: flag, valid_accuracy, train_accuracy, test_accuracy, test_accuracies };
        let row = ReplayRow { epsilon: fraction(0)?, net: field(1).to_owned(), metrics: (!rejected).then_some(score) };
        rows.push((row, std::array::from_fn(|position| field(position).to_owned())));
    }
    Ok(rows)
}

/// A fraction as a percentage, rounded to six decimals: 71.2 must not print as 71.19999999999999.
pub(crate) fn percent(fraction: f64) -> String {
    python_number((fraction * 1e8).round() / 1e6)
}

/// A percentage as a fraction, rounded: 71.2 must not become 0.7120000000000001.
fn fraction_of(percentage: f64) -> f64 {
    (percentage * 1e10).round() / 1e12
}

pub(crate) fn percent_list(fractions: &[f64]) -> String {
    let numbers: Vec<String> = fractions.iter().map(|&fraction| percent(fraction)).collect();
    format!("[{}]", numbers.join(", "))
}

fn parse_list(text: &str) -> Option<Vec<f64>> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    if inside.trim().is_empty() {
        return Some(Vec::new());
    }
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|value| (0.0..=100.0).contains(value));
    inside.split(',').map(|text| number(text).map(fraction_of)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(rows: &[ReplayRow]) -> String {
        let mut output = Vec::new();
        let mut writer = ReplayWriter::new(&mut output).unwrap();
        rows.iter().for_each(|row| writer.write(row).unwrap());
        drop(writer);
        String::from_utf8(output).unwrap()
    }

    fn read(text: &str) -> Result<Vec<ReplayRow>, CsvError> {
        read_replay_buffer(text.as_bytes(), Path::new("replay_buffer.csv"))
    }

    #[test]
    fn rows_are_written_as_pandas_writes_them() {
        let score = Metrics {
            reward: 0.712,
            train_flag: true,
            valid_accuracy: vec![0.5, 0.712],
            train_accuracy: vec![0.25, 1.0],
            test_accuracy: 0.7,
            test_accuracies: Vec::new(),
        };
        let net = "[C(16,3,1,1,1), SM(10)]".to_owned();
        let rows = [
            ReplayRow { epsilon: 1.0, net: net.clone(), metrics: Some(score) },
            ReplayRow { epsilon: 0.1, net, metrics: None },
        ];
        assert_eq!(
            write(&rows),
            ",epsilon,net,train_flag,reward,acc_best_val,acc_val_all_epochs,acc_train_all_epochs,acc_test_last\n\
             0,1.0,\"[C(16,3,1,1,1), SM(10)]\",True,0.712,71.2,\"[50.0, 71.2]\",\"[25.0, 100.0]\",70.0\n\
             1,0.1,\"[C(16,3,1,1,1), SM(10)]\",False,0.0,0,[0],[0],0\n"
        );
        assert_eq!(read(&write(&rows)).unwrap(), rows);
    }

    #[test]
    fn a_missing_column_and_a_broken_list_are_named() {
        let error = read(",epsilon,net,train_flag,acc_best_val\n0,1.0,x,True,5\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "replay_buffer.csv has no column `reward`; it has: epsilon, net, train_flag, acc_best_val"
        );
        let header = format!(",{}\n", REPLAY_COLUMNS.join(","));
        let error = read(&format!("{header}0,1.0,x,True,0.5,50,\"[50, \",[1],50\n")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "replay_buffer.csv, row 0, column `acc_val_all_epochs`: `[50,` is not a list of percentages such as \
             [71.2, 74.5]"
        );
    }

    #[test]
    fn columns_of_pandas_are_read_in_any_order_and_form() {
        let text = "\u{feff},acc_test_last,net,note,train_flag,epsilon,acc_train_all_epochs,acc_val_all_epochs,acc_best_val,\
                    reward\r\n\
                    0,70,\"[C(16,3,1,1,1), SM(10)]\",x,True,1,\"[25, 1e2]\",[71.2],71.2,0.712\r\n\
                    1,0.0,\"[C(16,3,1,1,1), SM(10)]\",,False,0.1,[0],[0.0],0.0,0\r\n";
        let rows = read(text).unwrap();
        let score = Metrics {
            reward: 0.712,
            train_flag: true,
            valid_accuracy: vec![0.712],
            train_accuracy: vec![0.25, 1.0],
            test_accuracy: 0.7,
            test_accuracies: Vec::new(),
        };
        assert_eq!((rows[0].epsilon, rows[0].metrics.as_ref()), (1.0, Some(&score)));
        assert_eq!((rows[1].epsilon, &rows[1].metrics), (0.1, &None));
    }

    #[test]
    fn what_spreadsheets_save_is_read() {
        let columns = REPLAY_COLUMNS.join(",");
        let row = |flag: &str| format!("0,1,[SM(10)],{flag},0.5,50,[50],[40],45\r\n");
        for (flag, expected) in [
            ("TRUE", true),
            ("True", true),
            ("true", true),
            ("1", true),
            ("FALSE", false),
            ("false", false),
            ("0", false),
        ] {
            let text = format!("\u{feff},{columns}\r\n{}{}{}", row(flag), ",,,,,,,,\r\n", row(flag));
            let rows = read(&text).unwrap();
            let flags: Vec<bool> = rows.iter().map(|row| row.metrics.as_ref().unwrap().train_flag).collect();
            assert_eq!(flags, [expected; 2], "{flag}");
        }
        let error = read(&format!(",{columns}\r\n{},,,,,,,,\r\n{}", row("1"), row("yes"))).unwrap_err();
        assert!(error.to_string().contains("row 2, column `train_flag`: `yes` is not True, False, 1 or 0"), "{error}");
    }

    #[test]
    fn empty_cells_and_nan_are_named_with_row_and_column() {
        let good = ["0", "1.0", "[SM(10)]", "True", "0.5", "50", "[50]", "[40]", "45"];
        for (position, name) in REPLAY_COLUMNS.iter().enumerate().filter(|(_, name)| **name != "net") {
            for wrong in ["", "nan", "NaN", "[nan]", "-1"] {
                let mut row = good;
                row[position + 1] = wrong;
                let text = format!(",{}\n{}\n{}\n", REPLAY_COLUMNS.join(","), good.join(","), row.join(","));
                let message = read(&text).unwrap_err().to_string();
                let start = format!("replay_buffer.csv, row 1, column `{name}`: `{wrong}` is not ");
                assert!(message.starts_with(&start), "{message}");
            }
        }
    }

    prop_compose! {
        fn scores()(
            reward in 0.01f64..=1.0,
            flag: bool,
            valid in prop::collection::vec(0u32..=10_000, 1..8),
            train in prop::collection::vec(0u32..=10_000, 1..8),
            test in 0u32..=10_000,
        ) -> Metrics {
            let fraction = |n: u32| f64::from(n) / 10_000.0;
            Metrics {
                reward,
                train_flag: flag,
                valid_accuracy: valid.into_iter().map(fraction).collect(),
                train_accuracy: train.into_iter().map(fraction).collect(),
                test_accuracy: fraction(test),
                test_accuracies: Vec::new(),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(scores in prop::collection::vec(prop::option::of(scores()), 0..10)) {
            let rows: Vec<ReplayRow> = scores
                .into_iter()
                .map(|metrics| ReplayRow { epsilon: 0.3, net: "[SM(10)]".into(), metrics })
                .collect();
            let found = read(&write(&rows)).unwrap();
            prop_assert_eq!(found.len(), rows.len());
            for (found, row) in found.iter().zip(&rows) {
                prop_assert_eq!(found.reward(), row.reward());
                prop_assert_eq!(found.metrics.is_some(), row.metrics.is_some());
                let (Some(found), Some(score)) = (&found.metrics, &row.metrics) else { continue };
                prop_assert!((found.test_accuracy - score.test_accuracy).abs() < 1e-9);
                prop_assert!(found.valid_accuracy.iter().zip(&score.valid_accuracy).all(|(a, b)| (a - b).abs() < 1e-9));
            }
        }

        #[test]
        fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_replay_buffer(&bytes[..], Path::new("x.csv"));
        }
    }
}
