//! Reading Q-values from a CSV file of this or the published program.

use crate::csv::error::CsvError;
use crate::csv::q_values::{LAYER_TYPES, Q_COLUMNS};
use crate::csv::table::{Table, TableRow};
use dpnas_search::{Action, LayerKind, QValue, Space, State};
use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

/// Reads the Q-values of a space from a CSV file of this or the published program.
///
/// Columns are found by name, in any order. Further columns, such as the index of pandas, are ignored. A whole number
/// may be written as `3.0`. Columns that a layer type does not use, such as the features of pooling, are ignored. If an
/// action has several rows, the first one counts: the published program lists kernel 1 twice.
///
/// # Errors
/// A missing column, an invalid value, or a row that is not a step of the space. The error names row and column.
///
/// # Source
/// SPEC §9.
pub fn read_q_values(input: impl Read, path: &Path, space: &Space) -> Result<Vec<QValue>, CsvError> {
    let mut table = Table::new(input, path, &Q_COLUMNS)?;
    let mut steps = Steps::new(space);
    let (mut values, mut seen) = (Vec::new(), HashSet::new());
    while let Some(row) = table.next_row()? {
        let row = QRow(row);
        let (state, end, value) = (row.state(0)?, row.state(9)?, row.utility()?);
        let action = steps.action(state, end).ok_or_else(|| row.not_a_step(state, end))?;
        if seen.insert((state, action)) {
            values.push(QValue { state, action, value });
        }
    }
    Ok(values)
}

/// Caches the steps of the last state: a file has the rows of a state one after another.
struct Steps<'a> {
    space: &'a Space,
    state: Option<State>,
    steps: Vec<(Action, State)>,
}

impl<'a> Steps<'a> {
    fn new(space: &'a Space) -> Self {
        Self { space, state: None, steps: Vec::new() }
    }

    /// The action from one state to another, if there is one.
    fn action(&mut self, state: State, end: State) -> Option<Action> {
        if self.state != Some(state) {
            let foreign = state.kind == LayerKind::Start && state != self.space.start();
            self.steps = if foreign { Vec::new() } else { self.space.steps(&state) };
            self.state = Some(state);
        }
        self.steps.iter().find(|(_, next)| *next == end).map(|(action, _)| *action)
    }
}

/// One row of the file.
struct QRow<'a>(TableRow<'a, 19>);

impl QRow<'_> {
    /// The state in the nine columns that begin at `first`.
    fn state(&self, first: usize) -> Result<State, CsvError> {
        let kind = LAYER_TYPES.iter().find(|(_, name)| *name == self.0.field(first)).map(|(kind, _)| *kind);
        let kind = kind.ok_or_else(|| self.0.wrong(first, "a layer type: start, conv, wrn, max_pool or fc"))?;
        let mut numbers = [0; 7];
        for (offset, number) in numbers.iter_mut().enumerate() {
            *number = self.number(first + 1 + offset)?;
        }
        let [depth, features, kernel, stride, padding, map_size, fc_size] = numbers;
        let terminal = self.0.flag(first + 8)?;
        let blank =
            State { kind, depth, features: 0, kernel: 0, stride: 0, padding: 0, map_size, fc_size: 0, terminal };
        Ok(match kind {
            LayerKind::Start => blank,
            LayerKind::Conv => State { features, kernel, stride, padding, ..blank },
            LayerKind::Residual => State { features, kernel: 3, stride: 1, padding: 1, ..blank },
            LayerKind::MaxPool => State { kernel, stride, ..blank },
            LayerKind::Linear => State { features, fc_size, map_size: 0, ..blank },
        })
    }

    /// A whole number, which pandas may have written as `3.0`.
    fn number(&self, position: usize) -> Result<u32, CsvError> {
        let text = self.0.field(position);
        let whole = |number: f64| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        let number = text.parse::<u32>().ok();
        let number = number.or_else(|| text.parse().ok().filter(|&number| whole(number)).map(|number| number as u32));
        number.ok_or_else(|| self.0.wrong(position, "a whole number from 0 on"))
    }

    fn utility(&self) -> Result<f64, CsvError> {
        let value = self.0.field(18).parse::<f64>().ok().filter(|value| value.is_finite());
        value.ok_or_else(|| self.0.wrong(18, "a finite number"))
    }

    fn not_a_step(&self, state: State, end: State) -> CsvError {
        CsvError::NotAStep { path: self.0.path.to_owned(), row: self.0.number, state, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write_q_values;
    use dpnas_search::{Feedback, ImageShape, Search, SearchSettings, Seed, SpaceSettings};
    use proptest::prelude::*;

    fn space(settings: SpaceSettings) -> Space {
        settings.check(ImageShape::square(1, 8), 10).unwrap()
    }

    /// A search of a few architectures. The reward depends on the length of the text.
    fn search(space: Space, seed: u64) -> Search {
        let settings = SearchSettings { schedule: "1.0:8,0.2:4".parse().unwrap(), ..SearchSettings::paper() };
        let mut search = Search::new(space, settings, Seed(seed)).unwrap();
        while let Some(candidate) = search.ask().unwrap() {
            let reward = (candidate.net.to_string().len() % 17 + 1) as f64 / 19.0;
            search.tell(candidate.id, Feedback::Scored { reward }).unwrap();
        }
        search
    }

    fn written(search: &Search) -> String {
        let mut output = Vec::new();
        write_q_values(search.q_table(), &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    fn read(text: &str, space: &Space) -> Result<Vec<QValue>, CsvError> {
        read_q_values(text.as_bytes(), Path::new("q_values.csv"), space)
    }

    /// The error message after one field of the first row is changed.
    fn refusal(column: &str, value: &str) -> String {
        let space = space(SpaceSettings::reference_code());
        let mut row: Vec<&str> = "start,0,0,0,0,0,8,0,0,conv,1,16,3,1,1,8,0,0,0.15".split(',').collect();
        row[Q_COLUMNS.iter().position(|name| *name == column).unwrap()] = value;
        read(&format!("{}\n{}\n", Q_COLUMNS.join(","), row.join(",")), &space).unwrap_err().to_string()
    }

    #[test]
    fn every_entry_is_a_line_with_both_states_and_the_value() {
        let search = search(space(SpaceSettings::small()), 1);
        let text = written(&search);
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap(),
            "start_layer_type,start_layer_depth,start_filter_depth,start_filter_size,start_stride,start_padding,\
             start_image_size,start_fc_size,start_terminate,end_layer_type,end_layer_depth,end_filter_depth,\
             end_filter_size,end_stride,end_padding,end_image_size,end_fc_size,end_terminate,utility"
        );
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), search.q_table().entries().count());
        assert!(lines[0].starts_with("start,0,0,0,0,0,8,0,0,"), "{}", lines[0]);
        assert!(lines.iter().all(|line| line.split(',').count() == 19));
        assert!(lines.iter().any(|line| line.contains(",1,0.")), "a terminal state has its value");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_is_written_is_read_back_bit_for_bit(
            settings in prop::sample::select(dpnas_search::SPACE_PRESETS.to_vec()),
            max_fc in 0u32..3,
            seed: u64,
        ) {
            let settings = SpaceSettings { max_fc, ..SpaceSettings::named(settings).unwrap() };
            let search = search(space(settings), seed);
            let values: Vec<QValue> = search.q_table().entries().map(QValue::from).collect();
            let found = read(&written(&search), search.space()).unwrap();
            prop_assert!(found.iter().zip(&values).all(|(a, b)| a.value.to_bits() == b.value.to_bits()));
            prop_assert_eq!(found, values);
        }

        #[test]
        fn any_bytes_are_values_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_q_values(&bytes[..], Path::new("x.csv"), &space(SpaceSettings::small()));
        }
    }

    #[test]
    fn of_the_rows_of_one_action_the_first_is_kept() {
        let space = space(SpaceSettings::reference_code());
        let row = "start,0,0,0,0,0,8,0,0,conv,1,16,1,1,0,8,0,0";
        let found = read(&format!("{}\n{row},0.4\n{row},0.15\n", Q_COLUMNS.join(",")), &space).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].action.to_string().as_str(), found[0].value), ("C(16,1,1,0,1)", 0.4));
    }

    #[test]
    fn columns_of_pandas_are_read_in_any_order_and_form() {
        let space = space(SpaceSettings::reference_code());
        let search = search(space.clone(), 3);
        let expected: Vec<QValue> = search.q_table().entries().map(QValue::from).collect();
        let text = written(&search);
        // Reversed columns, an index, a further column, floats for whole numbers, words for flags, a byte order mark,
        // CRLF.
        let mut other = String::from("\u{feff}");
        for (number, line) in text.lines().enumerate() {
            let fields = line.split(',').enumerate().map(|(position, field)| match field {
                number if position % 9 == 8 && position < 18 && number.len() == 1 => {
                    (if number == "1" { "True" } else { "False" }).to_owned()
                }
                number if position < 18 && number.parse::<u32>().is_ok() => format!("{number}.0"),
                other => other.to_owned(),
            });
            let fields: Vec<String> = fields.collect();
            let index = if number == 0 { String::new() } else { (number - 1).to_string() };
            let (reversed, more) = (fields.iter().rev().cloned().collect::<Vec<_>>().join(","), number);
            other.push_str(&format!("{index},{reversed},{more}\r\n"));
        }
        assert!(other.contains("False") && other.contains("8.0"));
        assert_eq!(read(&other, &space).unwrap(), expected);
    }

    #[test]
    fn numbers_that_a_layer_type_does_not_have_are_not_looked_at() {
        let space = space(SpaceSettings::reference_code());
        let header = Q_COLUMNS.join(",");
        let plain =
            "conv,1,16,3,1,1,8,0,0,max_pool,1,0,2,2,0,4,0,0,0.3\nmax_pool,1,0,2,2,0,4,0,0,wrn,3,16,3,1,1,4,0,0,0.2\n";
        let other =
            "conv,1,16,3,1,1,8,7,0,max_pool,1,16,2,2,0,4,0,0,0.3\nmax_pool,1,16,2,2,0,4,0,0,wrn,3,16,0,0,0,4,0,0,0.2\n";
        let expected = read(&format!("{header}\n{plain}"), &space).unwrap();
        assert_eq!(expected.len(), 2);
        assert_eq!(read(&format!("{header}\n{other}"), &space).unwrap(), expected);
    }

    #[test]
    fn a_wrong_value_is_named_with_row_and_column() {
        assert_eq!(
            refusal("start_layer_type", "dense"),
            "q_values.csv, row 0, column `start_layer_type`: `dense` is not a layer type: start, conv, wrn, max_pool or fc"
        );
        for value in ["", "nan", "3.5", "-1", "1e12", "x"] {
            assert_eq!(
                refusal("end_filter_depth", value),
                format!("q_values.csv, row 0, column `end_filter_depth`: `{value}` is not a whole number from 0 on")
            );
        }
        assert_eq!(
            refusal("end_terminate", "2"),
            "q_values.csv, row 0, column `end_terminate`: `2` is not True, False, 1 or 0"
        );
        for value in ["", "nan", "inf"] {
            let message = format!("q_values.csv, row 0, column `utility`: `{value}` is not a finite number");
            assert_eq!(refusal("utility", value), message);
        }
    }

    #[test]
    fn a_row_that_is_not_a_step_of_the_space_is_named() {
        assert_eq!(
            refusal("end_stride", "2"),
            "q_values.csv, row 0: this space has no step from (start, depth 0, map 8x8) to (convolution, depth 1, 16 \
             features, kernel 3, stride 2, padding 1, map 8x8); continue with the space and the images of the earlier run \
             (the published program's space is `reference-code`)"
        );
        assert!(refusal("start_image_size", "28").contains("no step from (start, depth 0, map 28x28)"));
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = read("start_layer_type,utility\n", &space(SpaceSettings::small())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "q_values.csv has no column `start_layer_depth`; it has: start_layer_type, utility"
        );
    }
}
