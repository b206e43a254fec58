#![doc = include_str!("../README.md")]
//!
//! # The folder
//! ```text
//! <sha-256 of the key, in hex>.embedding   one published matrix; its modification time is its last use
//! writing-<random>.part                    an unfinished matrix, locked by its writer
//! .lock                                    held while a matrix is published or entries are evicted
//! ```
//! Any number of handles and processes may use one folder at the same time. The cache ignores files with other names.
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
//! data. Rows arrive as a stream, so the writer leaves space for the header and fills it in after the last row, before
//! it renames the file. The checksum is CRC-32: it finds all damage that spans at most 32 bits and all but one in 2³²
//! of other damage, at 1.5 to 4 GiB per second (`cargo bench -p dpnas-cache`). Limits: [`MAX_HEADER`], [`ALIGNMENT`].
//!
//! A reader checks everything: magic, version, both checksums, the key's fields and the file's length. An entry that
//! fails any check is a miss; it is logged, removed and never served.
//!
//! # Determinism
//! The cache reads the clock to order entries by last use. The clock decides
//! which entries are kept, but never the content of a returned matrix.
#![warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

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
pub use lock::{Lock, try_lock};
pub use matrix::Matrix;
pub use writer::Writer;
