//! Reading a stored embedding back.

use super::{Layout, Manifest, SplitName, StoreError, StoredSplit, class_folders, hashes, manifest, npy, tensor_file};
use std::fs;
use std::path::{Path, PathBuf};

/// A stored embedding on disk.
#[derive(Clone, Debug)]
pub struct StoredEmbedding {
    folder: PathBuf,
    manifest: Manifest,
}

impl StoredEmbedding {
    /// Opens the folder of a stored embedding and reads its manifest.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.into();
        let manifest = Manifest::read(&folder)?;
        Ok(Self { folder, manifest })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Content and origin of the embedding.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads every file and compares it with the checksums of the manifest. An embedding of an earlier version, which has
    /// none, is read split by split.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for the first file that is damaged or missing, or as [`read`](Self::read).
    pub fn verify(&self) -> Result<(), StoreError> {
        let Self { folder, manifest } = self;
        if manifest.files.is_empty() && manifest.digest.is_empty() {
            return SplitName::ALL.into_iter().try_for_each(|split| self.read(split).map(drop));
        }
        let path = folder.join(manifest::FILE_NAME);
        let own = manifest.digest_of(&fs::read_to_string(&path).map_err(StoreError::io("read", &path))?);
        if manifest.digest != own {
            return Err(StoreError::damaged(&path, format!("the digest {}", manifest.digest), own));
        }
        hashes::check(folder, &manifest.files, "")
    }

    /// Reads one split into memory. File sizes are checked before memory is allocated, and checksums before the rows are
    /// returned.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if a file is truncated, contradicts the manifest or has another checksum,
    /// [`StoreError::LabelRange`], [`StoreError::OutOfMemory`], or [`StoreError::Io`].
    pub fn read(&self, split: SplitName) -> Result<StoredSplit, StoreError> {
        let (root, rows, features) = (&*self.folder, self.manifest.rows.of(split), self.manifest.features);
        let classes = self.manifest.class_names.len();
        if rows.checked_mul(features).and_then(|values| values.checked_mul(4)).is_none() {
            return Err(StoreError::OutOfMemory { path: root.join(split.to_string()), needed: u64::MAX });
        }
        let (values, labels) = match self.manifest.layout {
            Layout::Npy => npy::read(root, split, rows, features),
            Layout::Folder => class_folders::read(root, split, rows, features, classes),
            Layout::Safetensors => tensor_file::read(root, split, rows, features),
        }?;
        let check = |(row, label): (usize, i64)| match u32::try_from(label) {
            Ok(known) if (known as usize) < classes => Ok(known),
            _ => Err(StoreError::LabelRange { split, row, label, classes }),
        };
        let labels = labels.into_iter().enumerate().map(check).collect::<Result<_, _>>()?;
        // A folder of the split, or its one file.
        for part in ['/', '.'] {
            hashes::check(root, &self.manifest.files, &format!("{split}{part}"))?;
        }
        Ok(StoredSplit { features, values, labels })
    }
}
