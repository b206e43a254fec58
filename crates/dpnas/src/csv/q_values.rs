//! Writing the Q-table as a CSV file that pandas and the published program read.

use crate::csv::error::io_error;
use crate::csv::python_number::python_number;
use dpnas_search::{Entry, LayerKind, QTable, State};
use std::io::{self, Write};

/// Columns of the file: nine for the state, the same nine for the state after the action, and the Q-value.
///
/// # Source
/// SPEC §9.
pub const Q_COLUMNS: [&str; 19] = [
    "start_layer_type",
    "start_layer_depth",
    "start_filter_depth",
    "start_filter_size",
    "start_stride",
    "start_padding",
    "start_image_size",
    "start_fc_size",
    "start_terminate",
    "end_layer_type",
    "end_layer_depth",
    "end_filter_depth",
    "end_filter_size",
    "end_stride",
    "end_padding",
    "end_image_size",
    "end_fc_size",
    "end_terminate",
    "utility",
];

/// Layer types and their names in the file.
pub(crate) const LAYER_TYPES: [(LayerKind, &str); 5] = [
    (LayerKind::Start, "start"),
    (LayerKind::Conv, "conv"),
    (LayerKind::Residual, "wrn"),
    (LayerKind::MaxPool, "max_pool"),
    (LayerKind::Linear, "fc"),
];

/// Writes every action of every visited state, with its Q-value.
///
/// # Errors
/// If the output fails.
///
/// # Source
/// SPEC §9.
pub fn write_q_values(table: &QTable, output: impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(output);
    csv.write_record(Q_COLUMNS).map_err(io_error)?;
    for Entry { state, next, value, .. } in table.entries() {
        let record = fields(&state).into_iter().chain(fields(&next)).chain([python_number(value)]);
        csv.write_record(record).map_err(io_error)?;
    }
    csv.flush()
}

fn fields(state: &State) -> [String; 9] {
    let kind = LAYER_TYPES.iter().find(|(kind, _)| *kind == state.kind).map_or("", |(_, name)| name);
    [
        kind.to_owned(),
        state.depth.to_string(),
        state.features.to_string(),
        state.kernel.to_string(),
        state.stride.to_string(),
        state.padding.to_string(),
        state.map_size.to_string(),
        state.fc_size.to_string(),
        u8::from(state.terminal).to_string(),
    ]
}
