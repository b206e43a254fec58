#![doc = include_str!("../README.md")]
//!
//! # The folder
//! ```text
//! <sha-256 of the key, in hex>.embedding   one published matrix; its modification time is its last use
//! writing-<random>.part                    a matrix that is being written, locked by its writer
//! .lock                                    held while a matrix is published or entries are evicted
//! ```
//! Any number of handles and processes may use one folder at the same time. A file with any other name is left
//! alone.
//!
//! # The file
//! All numbers are little-endian. The data begins at a multiple of 64 bytes and ends with the file.
//! ```text
//!  0        8        12       16       20            20 + n                   the end
//! ┌────────┬────────┬────────┬────────┬─────────────┬────────────────────────┐
//! │dpnasemb│ 2: u32 │ n: u32 │crc: u32│ JSON header │ rows × columns numbers │
//! └────────┴────────┴────────┴────────┴─────────────┴────────────────────────┘
//!  magic    version  header's length   padded with   row-major
//!                             │        spaces
//!                             └ CRC-32 of the 16 bytes before it and the JSON header
//! ```
//! The header is `{"key":[["net","…"],["seed","7"]],"rows":3,"columns":3,"element":"f32","crc32":1234}`, where `crc32` covers the
//! data. Rows arrive as a stream, so the header's place is left empty until the last row is written and filled in
//! before the file gets its name. The checksum is CRC-32 because it finds every damage that spans at most 32 bits
//! for certain and others but one in 2³², at 1.5 to 4 GiB a second (`cargo bench -p dpnas-cache`). Limits:
//! [`MAX_HEADER`], [`ALIGNMENT`].
//!
//! A reader checks everything: magic, version, both checksums, the key's fields and the file's length. An entry that
//! fails any check is a miss; it is logged, removed and never served.
//!
//! # The promise about results
//! The clock is read to order entries by last use and to find files that a crash left behind. It decides what is kept,
//! never what is returned.

mod cache;
mod dtype;
mod error;
mod folder;
mod format;
mod key;
mod lock;
mod map;
mod matrix;
mod place;
mod stream;
mod writer;

pub use cache::Cache;
pub use dtype::{DType, Stored};
pub use error::CacheError;
pub use format::{ALIGNMENT, FORMAT_VERSION, MAX_HEADER};
pub use key::Key;
pub use lock::try_lock;
pub use matrix::Matrix;
pub use writer::Writer;
