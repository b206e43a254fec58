//! Warnings about a usable data set.

use crate::DataSet;
use std::fmt;
use std::path::PathBuf;

/// A property of a data set that its user may not expect. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Classes have no training image.
    Untrained {
        /// The first of them.
        class: String,
        /// Number of the others.
        more: usize,
        /// Test images of these classes.
        test_images: usize,
    },
    /// Images that are not square were stretched.
    Stretched {
        /// Number of these images.
        images: usize,
        /// Their new side, in pixels.
        size: u32,
    },
    /// The set is EMNIST, whose files have rows and columns swapped.
    Transposed,
    /// Folders with images besides those of the training and test images are ignored.
    LeftOut {
        /// The first of them.
        folder: PathBuf,
        /// Number of the others.
        more: usize,
    },
    /// Files outside the folders of the classes are ignored. Known companions of images are not counted.
    Beside {
        /// The first of them.
        file: PathBuf,
        /// Number of the others.
        more: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrained { class, more, test_images } => {
                write!(f, "class {class}{} has no training image", others(*more))?;
                match test_images {
                    0 => Ok(()),
                    1 => f.write_str(", but 1 test image"),
                    images => write!(f, ", but {} test images", grouped(*images)),
                }
            }
            Self::Stretched { images, size } => {
                write!(f, "images that are not square are stretched to {size}x{size} pixels: {}", grouped(*images))
            }
            Self::Transposed => f.write_str(
                "EMNIST's files have rows and columns swapped; transpose the images to see upright characters (--transpose)",
            ),
            Self::LeftOut { folder, more } => write!(
                f,
                "{}{} has images, but it is neither the training nor the test part and is left out",
                folder.display(),
                others(*more)
            ),
            Self::Beside { file, more } => write!(
                f,
                "{}{} is not in the folder of a class and is left out",
                file.display(),
                others(*more)
            ),
        }
    }
}

/// Text after the first of several names, for example ` (and 7 more)`.
pub(crate) fn others(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {} more)", grouped(more)) }
}

/// A number with a comma every three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let (first, others) = digits.split_at(digits.len() % 3);
    let groups = others.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group));
    let first = (!first.is_empty()).then(|| first.into());
    first.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

impl DataSet {
    /// Warnings about the set: those of its reader, then classes without training images.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.warnings.clone();
        let untrained = self.untrained();
        if let [first, others @ ..] = untrained.as_slice() {
            let labels = self.test.labels().iter();
            warnings.push(Warning::Untrained {
                class: self.train.class_names().get(*first as usize).cloned().unwrap_or_default(),
                more: others.len(),
                test_images: labels.filter(|label| untrained.binary_search(label).is_ok()).count(),
            });
        }
        warnings
    }

    /// The classes without training images, ascending.
    pub(crate) fn untrained(&self) -> Vec<u32> {
        let mut trained = vec![false; self.train.class_names().len()];
        for &label in self.train.labels() {
            if let Some(is_trained) = trained.get_mut(label as usize) {
                *is_trained = true;
            }
        }
        (0..).zip(trained).filter_map(|(class, trained)| (!trained).then_some(class)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        let numbers = [0, 999, 1000, 65_532, 1_234_567];
        assert_eq!(numbers.map(grouped), ["0", "999", "1,000", "65,532", "1,234,567"]);
    }
}
