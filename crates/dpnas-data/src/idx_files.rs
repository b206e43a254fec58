//! Finding the IDX files of MNIST, or of a set with similar names, in a folder.

use crate::files::{self, Entry};
use crate::pairs::{self, Part, check_counts};
use crate::set::buffer;
use crate::{DataError, DataSet, Warning, idx};
use dpnas_grammar::ImageShape;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Images and labels of the training part, then those of the test part.
pub(crate) const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
/// The test part's names in EMNIST.
const EMNIST_NAMES: [&str; 2] = ["test-images-idx3-ubyte", "test-labels-idx1-ubyte"];

/// The files of one set; a file may be missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IdxFiles {
    /// Prefix of the names, for example `emnist-letters-`.
    prefix: String,
    files: [Option<PathBuf>; 4],
}

impl IdxFiles {
    /// The sets in a folder.
    ///
    /// A name may have dots instead of hyphens, as some unpackers write, and may end in `.gz`. A file may be inside a
    /// folder of its name. If there are several candidates, one outside such a folder goes first, then a plain one
    /// before a compressed one, then MNIST's own name before other names.
    pub(crate) fn find(entries: &[Entry]) -> Result<Vec<Self>, DataError> {
        let mut candidates = Vec::new();
        for entry in entries {
            let Some((prefix, place)) = place(entry) else { continue };
            let inner = if entry.is_folder() { files::list(&entry.path)? } else { Vec::new() };
            let file = inner.iter().find(|inner| self::place(inner).is_some_and(|(_, inner)| inner == place));
            let file = file.unwrap_or(entry);
            let dots = file.name.to_string_lossy().matches('.').count();
            candidates.push((entry.is_folder(), file.ending() == "gz", dots, prefix, place, file.path.clone()));
        }
        candidates.sort();
        let mut found = BTreeMap::<String, [Option<PathBuf>; 4]>::new();
        for (.., prefix, place, path) in candidates {
            if let Some(file) = found.entry(prefix).or_default().get_mut(place) {
                file.get_or_insert(path);
            }
        }
        Ok(found.into_iter().map(|(prefix, files)| Self { prefix, files }).collect())
    }

    /// MNIST's four compressed files in a folder that may also have others.
    pub(crate) fn compressed(folder: &Path) -> Self {
        Self { prefix: String::new(), files: NAMES.map(|name| Some(folder.join(format!("{name}.gz")))) }
    }

    pub(crate) fn name(&self) -> String {
        format!("IDX files {}*", self.prefix)
    }

    /// Reads the set; a pixel value of 255 becomes 1.
    pub(crate) fn load(self, folder: &Path, name: String) -> Result<DataSet, DataError> {
        let is_emnist = self.prefix.starts_with("emnist");
        let [train_images, train_labels, test_images, test_labels] = self.complete(folder)?;
        let train = read(&train_images, &train_labels)?;
        let mut data = pairs::join(folder, name, train, read(&test_images, &test_labels)?)?;
        if is_emnist {
            data.warnings.push(Warning::Transposed);
        }
        Ok(data)
    }

    fn complete(self, folder: &Path) -> Result<[PathBuf; 4], DataError> {
        let mut names = NAMES;
        if !self.prefix.is_empty() {
            names[2..].copy_from_slice(&EMNIST_NAMES);
        }
        let names = names.map(|name| self.prefix.clone() + name);
        match self.files {
            [Some(a), Some(b), Some(c), Some(d)] => Ok([a, b, c, d]),
            files => Err(DataError::MissingFiles {
                path: folder.to_owned(),
                looked_for: names.iter().map(|name| format!("{name}[.gz]")).collect(),
                missing: names
                    .into_iter()
                    .zip(files)
                    .filter(|(_, file)| file.is_none())
                    .map(|(name, _)| name)
                    .collect(),
            }),
        }
    }
}

/// The prefix of a name, and which of the four files it is.
fn place(entry: &Entry) -> Option<(String, usize)> {
    let name = entry.name.to_str()?.to_ascii_lowercase().replace(['.', '_'], "-");
    let name = name.strip_suffix("-gz").unwrap_or(&name);
    let names = NAMES.into_iter().zip(0..).chain(EMNIST_NAMES.into_iter().zip(2..));
    let mut places = names.filter_map(|(known, place)| Some((name.strip_suffix(known)?, place)));
    places
        .find(|(prefix, _)| prefix.is_empty() || prefix.ends_with('-'))
        .map(|(prefix, place)| (prefix.to_owned(), place))
}

fn read(images_path: &Path, labels_path: &Path) -> Result<Part, DataError> {
    part((images_path, idx::read_images(images_path)?), (labels_path, idx::read_labels(labels_path)?), 255)
}

/// A part of a set from the content of its two files; pixels are divided by `white`.
pub(crate) fn part(
    (images_path, images): (&Path, idx::Array<3>),
    (labels_path, labels): (&Path, Vec<u8>),
    white: u8,
) -> Result<Part, DataError> {
    let [count, height, width] = images.sizes;
    check_counts((images_path, count as usize), (labels_path, labels.len()))?;
    let shape = ImageShape { channels: 1, height, width };
    let mut pixels = buffer(shape, labels.len())?;
    pixels.extend(images.bytes.iter().map(|&byte| f32::from(byte) / f32::from(white)));
    Ok(Part { shape, pixels, labels: labels.into_iter().map(u32::from).collect() })
}
