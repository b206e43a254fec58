//! Errors of image sets. Each message names the file, the finding, the expectation and the remedy.

use crate::cifar::CifarError;
use crate::idx::IdxError;
use crate::images::{BadImage, FolderError};
use crate::npy::NpyError;
use dpnas_grammar::ImageShape;
use std::io;
use std::path::PathBuf;

/// Why an image set could not be made, read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The name of a source is not known and no folder has that name.
    #[error(
        "unknown data set `{name}`: known names are {}; a folder is given by its path, for example ./{name}",
        crate::source::names()
    )]
    UnknownSource {
        /// The name.
        name: String,
    },
    /// A file or folder does not exist.
    #[error("{}: there is no such file or folder; check the path", path.display())]
    NotFound {
        /// The path that was given.
        path: PathBuf,
    },
    /// A link has no target.
    #[error("{}: is a link to {}, which is not there; restore that, or remove the link", path.display(), target.display())]
    DanglingLink {
        /// The link.
        path: PathBuf,
        /// Its missing target.
        target: PathBuf,
    },
    /// The path is something else than a file, for example a folder.
    #[error("{}: is not a regular file; put the file itself there", path.display())]
    NotAFile {
        /// The path that was given.
        path: PathBuf,
    },
    /// The path is a file instead of a folder.
    #[error("{}: found a file where a folder is expected; give the folder that holds the data set", path.display())]
    NotAFolder {
        /// The path that was given.
        path: PathBuf,
    },
    /// A folder or archive has some files of a data set and lacks others.
    #[error(
        "{}: not a complete data set: looked for {}, missing {}; add the missing files or give another folder",
        path.display(), looked_for.join(", "), missing.join(", ")
    )]
    MissingFiles {
        /// The folder or archive.
        path: PathBuf,
        /// The names that make up a data set.
        looked_for: Vec<String>,
        /// The missing ones.
        missing: Vec<String>,
    },
    /// A folder has no file of a data set.
    #[error(
        "{}: no data set; found {}; looked for\n  {}\ngive another folder, or rename its files",
        path.display(), shown(found, *more), crate::kind::LOOKED_FOR.join("\n  ")
    )]
    NoDataSet {
        /// The folder.
        path: PathBuf,
        /// The first names in it.
        found: Vec<String>,
        /// Number of the others.
        more: usize,
    },
    /// A folder has files of several data sets.
    #[error("{}: holds both {} and {}; give each data set a folder of its own", path.display(), kinds[0], kinds[1])]
    SeveralSets {
        /// The folder.
        path: PathBuf,
        /// Two of their kinds.
        kinds: [String; 2],
    },
    /// A known data set is not in its folder.
    #[error("{}: {name} is not there; fetch it first, or put there {}", path.display(), files.join(", "))]
    NotFetched {
        /// Name of the data set.
        name: &'static str,
        /// Its folder.
        path: PathBuf,
        /// Its files.
        files: Vec<&'static str>,
    },
    /// A file cannot be opened or inspected, for example without permission.
    #[error("{}: cannot open: {error}; check its permissions", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The content of a file is not that of an IDX file.
    #[error("{}: {problem}", path.display())]
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: IdxError,
    },
    /// The content of a file or archive is not CIFAR's binary form.
    #[error("{}: {problem}", path.display())]
    Cifar {
        /// The file, or the archive and the file in it.
        path: PathBuf,
        /// What is wrong with it.
        problem: CifarError,
    },
    /// The content of a `.npy` file does not fit.
    #[error("{}: {problem}", path.display())]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: NpyError,
    },
    /// Images of a folder cannot be used. The error lists all of them.
    #[error(
        "{}: {} of its files cannot be used as images; repair or remove them{}",
        path.display(), bad.len(), list(bad)
    )]
    BadImages {
        /// The folder of the data set.
        path: PathBuf,
        /// The files.
        bad: Vec<BadImage>,
    },
    /// The folders of a set of images do not fit.
    #[error("{}: {problem}", path.display())]
    Folder {
        /// The folder at fault.
        path: PathBuf,
        /// What is wrong with it.
        problem: FolderError,
    },
    /// Images of a folder have different sizes, and the configuration sets no common size.
    #[error(
        "{} and {} have different sizes; give the size to which all images are resized",
        first.display(), other.display()
    )]
    MixedSizes {
        /// An image.
        first: PathBuf,
        /// One of another size.
        other: PathBuf,
    },
    /// Too many classes are without a training image.
    #[error(
        "{source_name}: class {class}{} has no training image; expected at most {} such classes: number the classes from 0 \
         without gaps, or use more training images",
        crate::warning::others(*more), crate::source::MAX_UNTRAINED
    )]
    Untrained {
        /// The data set.
        source_name: String,
        /// The first of these classes.
        class: String,
        /// Number of the others.
        more: usize,
    },
    /// A file of images and its file of labels do not have the same number of entries.
    #[error(
        "{} holds {images} images but {} holds {labels} labels; expected as many labels as images: take both files \
         from the same data set",
        images_path.display(), labels_path.display()
    )]
    CountMismatch {
        /// The file of images.
        images_path: PathBuf,
        /// Images found.
        images: usize,
        /// The file of labels.
        labels_path: PathBuf,
        /// Labels found.
        labels: usize,
    },
    /// Training and test images of one data set differ in shape.
    #[error(
        "{}: training images are {train} but test images are {test}; expected one shape: take all files from the same \
         data set",
        path.display()
    )]
    SplitShapes {
        /// The folder.
        path: PathBuf,
        /// Shape of the training images.
        train: ImageShape,
        /// Shape of the test images.
        test: ImageShape,
    },
    /// A shape has a side or a channel count of 0, or one image of it is larger than [`MAX_PIXELS`](crate::MAX_PIXELS).
    #[error(
        "images of shape {shape} cannot be held: each number must be at least 1 and their product at most {}",
        crate::MAX_PIXELS
    )]
    BadShape {
        /// The shape that was given.
        shape: ImageShape,
    },
    /// The number of pixels is not that of as many images as there are labels.
    #[error(
        "{pixels} pixels do not make {labels} images of shape {shape}, one for each label; give images × channels × height × width pixels"
    )]
    PixelCount {
        /// Pixels given.
        pixels: usize,
        /// Labels given.
        labels: usize,
        /// Shape given.
        shape: ImageShape,
    },
    /// A pixel is outside of `[0, 1]` or not a number.
    #[error("pixel {index} of image {image} is {value}; expected a number from 0 to 1: scale the pixels first")]
    PixelRange {
        /// Position of the image in the set.
        image: usize,
        /// Position of the pixel in the image.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// A label has no class name.
    #[error(
        "image {image} has label {label}, but there are {classes} classes; expected a label below {classes}: give a name for every class"
    )]
    LabelRange {
        /// Position of the image in the set.
        image: usize,
        /// Its label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// A choice of classes that cannot be made.
    #[error("class {class} {problem}: the data set has {classes} classes, numbered from 0")]
    Classes {
        /// The class.
        class: u32,
        /// What is wrong with it.
        problem: &'static str,
        /// Number of classes.
        classes: u32,
    },
    /// Images have a number of channels that is neither gray (1) nor RGB (3).
    #[error("images have {channels} channels; only gray (1) and RGB (3) images can be converted to one another")]
    Channels {
        /// Channels found.
        channels: u32,
    },
    /// A set would be larger than [`MAX_PIXELS`](crate::MAX_PIXELS) or than memory.
    #[error(
        "{images} images of shape {shape} are too many to hold in memory (limit: {} pixels); use fewer or smaller images",
        crate::MAX_PIXELS
    )]
    TooLarge {
        /// Number of images.
        images: usize,
        /// Shape of each.
        shape: ImageShape,
    },
    /// The resizing library refuses the sizes.
    #[error("images of shape {from} cannot be resized to {to}: {problem}; use another size")]
    Resize {
        /// Shape of the images.
        from: ImageShape,
        /// Shape that was asked for.
        to: ImageShape,
        /// What the library says.
        problem: String,
    },
    /// A configuration of synthetic data has an invalid value.
    #[error("synthetic data: {field} is {value}; expected {expected}")]
    Synthetic {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The rule for the value.
        expected: &'static str,
    },
    /// The fraction to hold out is not between 0 and 1.
    #[error("the fraction to hold out is {fraction}; expected a number above 0 and below 1, for example 0.1")]
    HoldOutFraction {
        /// The fraction that was given.
        fraction: f64,
    },
    /// There are too few images for a training and a validation part.
    #[error(
        "{images} images cannot be split into training and validation images; expected at least 2: use more images"
    )]
    HoldOutCount {
        /// Number of images.
        images: usize,
    },
}

/// The names of a folder's entries, or that there are none.
fn shown(found: &[String], more: usize) -> String {
    match (found, more) {
        ([], _) => "nothing".to_owned(),
        (found, 0) => found.join(", "),
        (found, more) => format!("{} and {more} more", found.join(", ")),
    }
}

fn list(bad: &[BadImage]) -> String {
    bad.iter().map(|BadImage { path, problem }| format!("\n  {}: {problem}", path.display())).collect()
}
