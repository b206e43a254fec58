//! Writing a stored embedding, block by block.

use super::class_folders::FolderWriter;
use super::npy::NpyWriter;
use super::publish::{Existing, Publication};
use super::tensor_file::TensorWriter;
use super::{Layout, Manifest, RowCounts, SplitName, StoreError, hashes, manifest};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a stored embedding: [`push`](Self::push) the rows of each split, then [`finish`](Self::finish).
///
/// Dropping an unfinished writer removes its files.
#[must_use = "a writer that is not finished leaves nothing behind"]
pub struct EmbeddingWriter<'a> {
    manifest: Manifest,
    labels: [&'a [u32]; 3],
    splits: [SplitWriter; 3],
    written: [usize; 3],
    publication: Publication,
}

enum SplitWriter {
    Npy(NpyWriter),
    Folder(FolderWriter),
    Safetensors(TensorWriter),
}

impl<'a> EmbeddingWriter<'a> {
    /// Starts an embedding at `target`, with the labels of `train`, `val` and `test`. The manifest's `rows` become the
    /// numbers of labels. Missing parent folders are made.
    ///
    /// # Errors
    /// [`StoreError::Exists`] or [`StoreError::NotReplaceable`] if the target exists and must stay,
    /// [`StoreError::NoName`], [`StoreError::LabelRange`] if a label has no class name, [`StoreError::NoFeatures`],
    /// [`StoreError::DiskFull`], or [`StoreError::Io`].
    pub fn create(
        target: impl AsRef<Path>,
        manifest: Manifest,
        labels: [&'a [u32]; 3],
        existing: Existing,
    ) -> Result<Self, StoreError> {
        let [train, val, test] = labels.map(<[u32]>::len);
        let manifest = Manifest { rows: RowCounts { train, val, test }, digest: String::new(), ..manifest };
        if manifest.features == 0 {
            return Err(StoreError::NoFeatures);
        }
        let classes = manifest.class_names.len();
        for split in SplitName::ALL {
            let labels = labels[split as usize];
            if let Some(row) = labels.iter().position(|&label| label as usize >= classes) {
                return Err(StoreError::LabelRange { split, row, label: labels[row].into(), classes });
            }
        }
        let publication = Publication::begin(target.as_ref(), existing, bytes(&manifest))?;
        let start = |split: SplitName| {
            let writer = SplitWriter::start(publication.path(), split, &manifest, labels[split as usize]);
            writer.map_err(publication.failed(&publication.path().join(split.to_string())))
        };
        let splits = [start(SplitName::Train)?, start(SplitName::Val)?, start(SplitName::Test)?];
        Ok(Self { manifest, labels, splits, written: [0; 3], publication })
    }

    /// Appends any number of whole rows to a split, in the order of its labels.
    ///
    /// # Shapes
    /// `[n, features]`, row-major.
    ///
    /// # Errors
    /// [`StoreError::PartialRow`], [`StoreError::RowCount`] if there are more rows than labels,
    /// [`StoreError::DiskFull`], or [`StoreError::Io`].
    pub fn push(&mut self, split: SplitName, rows: &[f32]) -> Result<(), StoreError> {
        let features = self.manifest.features;
        if !rows.len().is_multiple_of(features) {
            return Err(StoreError::PartialRow { values: rows.len(), features });
        }
        let start = self.written[split as usize];
        let end = start + rows.len() / features;
        let Some(labels) = self.labels[split as usize].get(start..end) else { return Err(self.count(split, end)) };
        self.written[split as usize] = end;
        let pushed = match &mut self.splits[split as usize] {
            SplitWriter::Npy(writer) => writer.push(rows),
            SplitWriter::Folder(writer) => writer.push(rows, labels),
            SplitWriter::Safetensors(writer) => writer.push(rows),
        };
        pushed.map_err(self.publication.failed(&self.publication.path().join(split.to_string())))
    }

    /// Writes the manifest and renames the embedding to its target. Returns the manifest and the path of the embedding.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] if rows are missing, [`StoreError::Exists`] or [`StoreError::NotReplaceable`] if the
    /// target changed meanwhile, [`StoreError::Manifest`], [`StoreError::LeftAside`], [`StoreError::DiskFull`], or
    /// [`StoreError::Io`]. An old embedding is unchanged after every error but `LeftAside`.
    pub fn finish(mut self) -> Result<(Manifest, PathBuf), StoreError> {
        for split in SplitName::ALL {
            let written = self.written[split as usize];
            if written != self.manifest.rows.of(split) {
                return Err(self.count(split, written));
            }
        }
        for (split, writer) in SplitName::ALL.into_iter().zip(self.splits) {
            let failed = self.publication.failed(&self.publication.path().join(split.to_string()));
            writer.finish().map_err(failed)?;
        }
        self.manifest.files = hashes::of_folder(self.publication.path())?;
        let without_digest = self.manifest.to_json().map_err(StoreError::Manifest)?;
        self.manifest.digest = self.manifest.digest_of(&without_digest);
        let text = self.manifest.to_json().map_err(StoreError::Manifest)?;
        let path = self.publication.path().join(manifest::FILE_NAME);
        let written = File::create_new(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(self.publication.failed(&path))?;
        Ok((self.manifest, self.publication.publish()?))
    }

    fn count(&self, split: SplitName, found: usize) -> StoreError {
        StoreError::RowCount { split, found, expected: self.manifest.rows.of(split) }
    }
}

impl SplitWriter {
    fn start(root: &Path, split: SplitName, manifest: &Manifest, labels: &[u32]) -> io::Result<Self> {
        let features = manifest.features;
        Ok(match manifest.layout {
            Layout::Npy => Self::Npy(NpyWriter::create(root, split, labels, features)?),
            Layout::Folder => Self::Folder(FolderWriter::create(root, split, manifest.class_names.len(), features)?),
            Layout::Safetensors => Self::Safetensors(TensorWriter::create(root, split, labels, features)?),
        })
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Npy(writer) => writer.finish(),
            Self::Folder(_) => Ok(()),
            Self::Safetensors(writer) => writer.finish(),
        }
    }
}

impl std::fmt::Debug for EmbeddingWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddingWriter")
            .field("written", &self.written)
            .field("publication", &self.publication)
            .finish()
    }
}

/// Bytes of the rows and labels of all splits.
fn bytes(manifest: &Manifest) -> u64 {
    let row = (manifest.features as u64).saturating_mul(4).saturating_add(8);
    SplitName::ALL
        .iter()
        .map(|&split| (manifest.rows.of(split) as u64).saturating_mul(row))
        .fold(0, u64::saturating_add)
}
