//! The published program's CSV files: replay buffer and Q-values.

pub(crate) mod error;
pub(crate) mod python_number;
pub(crate) mod q_values;
pub(crate) mod read_q_values;
pub(crate) mod replay_buffer;
mod table;

pub use error::CsvError;
pub use q_values::{Q_COLUMNS, write_q_values};
pub use read_q_values::read_q_values;
pub use replay_buffer::{REPLAY_COLUMNS, ReplayRow, ReplayWriter, read_replay_buffer};
pub(crate) use table::write_table;
