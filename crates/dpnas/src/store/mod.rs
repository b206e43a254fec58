//! Storing embeddings as files for other programs.
//!
//! ```text
//! embedding/
//!   manifest.json                        content and origin, see [`Manifest`]
//!   train/features.npy  train/labels.npy     layout npy: float32 [n, features] and int64 [n]
//!   train/{label:06}/{count:06}.npy          layout folder: one float32 vector each
//!   train.safetensors                        layout safetensors: tensors `features` and `labels`
//!   …                                        the same for `val` and `test`
//! ```
//!
//! Numbers are little-endian. Rows of `train` and `val` are in the order of the training set; the hold-out split keeps
//! this order. Rows of `test` are in the order of the test set. The layout `folder` sorts rows by label and keeps the
//! order within a label. Every class has a folder, even without rows, because readers number the folders they find.
//!
//! [`EmbeddingWriter`] takes blocks of rows of any size and holds at most one block, so an embedding may be larger than
//! the memory. A stored embedding appears complete or not at all: it is written to `.NAME.writing-XXXXXX` in the same
//! folder and renamed at the end. [`StoredEmbedding`] reads all three layouts. The manifest has a checksum of each file, and of
//! itself: [`StoredEmbedding::verify`].
//!
//! ```
//! use dpnas::store::{EmbeddingWriter, Existing, Layout, Manifest, SplitName, StoredEmbedding};
//!
//! let folder = tempfile::tempdir()?;
//! let target = folder.path().join("embedding");
//! let manifest = Manifest {
//!     layout: Layout::Npy,
//!     features: 2,
//!     class_names: vec!["cat".into(), "dog".into()],
//!     ..Manifest::of(&"[C(2,3,1,0,1), SM(2)]".parse()?)
//! };
//!
//! let labels = [&[0, 1, 1][..], &[0], &[]];
//! let mut writer = EmbeddingWriter::create(&target, manifest, labels, Existing::Refuse)?;
//! writer.push(SplitName::Train, &[1.0, 2.0, 3.0, 4.0])?; // two rows, then one more
//! writer.push(SplitName::Train, &[5.0, 6.0])?;
//! writer.push(SplitName::Val, &[7.0, 8.0])?;
//! writer.finish()?;
//!
//! let train = StoredEmbedding::open(&target)?.read(SplitName::Train)?;
//! assert_eq!(train.labels(), [0, 1, 1]);
//! assert_eq!(train.row(2), [5.0, 6.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Source
//! SPEC §9.

mod class_folders;
mod error;
mod hashes;
mod layout;
mod manifest;
mod npy;
mod publish;
mod reader;
mod row_file;
mod split;
mod tensor_file;
mod writer;

pub use error::StoreError;
pub use layout::{Layout, SplitName, UnknownLayout};
pub use manifest::{MANIFEST_FORMAT, Manifest, Member, NormRecord, RowCounts};
pub use publish::Existing;
pub use reader::StoredEmbedding;
pub use split::StoredSplit;
pub use writer::EmbeddingWriter;
