//! Stored embeddings: an embedding as files that other programs read.
//!
//! ```text
//! embedding/
//!   manifest.json                        what is stored and what made it, see [`Manifest`]
//!   train/features.npy  train/labels.npy     layout npy: float32 [n, features] and int64 [n]
//!   train/{label:06}/{count:06}.npy          layout folder: one float32 vector each
//!   train.safetensors                        layout safetensors: tensors `features` and `labels`
//!   …                                        the same for `val` and `test`
//! ```
//!
//! Rows are little-endian. Those of `train` and `val` come in the order of the data set, which the hold-out split keeps in
//! both parts; those of `test` in the order of the test set. The layout `folder` sorts them by label and keeps the order
//! within each; every class has a folder, also one without rows, since readers number the folders that they find.
//!
//! [`EmbeddingWriter`] takes rows in blocks of any size and never holds more than one, so an embedding may be larger than
//! the memory. A stored embedding appears whole or not at all: it is written beside its place, in
//! `.NAME.writing-XXXXXX`, and renamed at the end. [`StoredEmbedding`] reads all three layouts.
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
pub use manifest::{MANIFEST_FORMAT, Manifest, NormRecord, RowCounts};
pub use publish::Existing;
pub use reader::StoredEmbedding;
pub use split::StoredSplit;
pub use writer::EmbeddingWriter;
