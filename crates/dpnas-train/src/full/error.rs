//! Why a network could not be trained.

use crate::{SettingError, Split};
use dpnas_grammar::ImageShape;
use dpnas_prior::DrawError;
use std::path::PathBuf;

/// Why a network could not be trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FullError {
    /// A setting has a wrong value.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A set has no images.
    #[error("the {split} set is empty: give at least one image")]
    EmptySet {
        /// Which set.
        split: Split,
    },
    /// The numbers of images and labels differ.
    #[error("{images} images have {labels} labels: give one label an image")]
    LengthMismatch {
        /// Images.
        images: usize,
        /// Labels.
        labels: usize,
    },
    /// The images have another shape than the plan's input.
    #[error("the network was planned for images of {expected}, but those of the {split} set are {found}")]
    WrongShape {
        /// Which set.
        split: Split,
        /// The plan's input.
        expected: ImageShape,
        /// The images' shape.
        found: ImageShape,
    },
    /// A label is not below the number of classes.
    #[error("label {label} of {split} image {image} is not below the number of classes, {classes}")]
    LabelOutOfRange {
        /// Which set.
        split: Split,
        /// The first image with such a label, from 0.
        image: usize,
        /// Its label.
        label: u32,
        /// Number of classes.
        classes: u32,
    },
    /// A class score or a gradient is infinite or not a number: training has diverged.
    #[error(
        "a class score or gradient of a {split} image is not finite in epoch {epoch}: training has diverged; lower the \
         learning rate"
    )]
    NotFinite {
        /// Which set's images were being classified.
        split: Split,
        /// The epoch, from 1.
        epoch: u32,
    },
    /// The weights and a mini-batch do not fit the memory budget, or what the allocator has, even with one block of images
    /// at a time.
    #[error(
        "full training on mini-batches of {batch} images needs {needed} bytes, the memory budget is {budget} bytes; use \
         smaller mini-batches or a larger budget"
    )]
    OverBudget {
        /// Images in a mini-batch.
        batch: usize,
        /// Bytes that are needed at least.
        needed: u64,
        /// Bytes that are allowed.
        budget: u64,
    },
    /// There is no memory for the initial weights.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// The device is out of memory: fewer images at once may fit.
    #[error("{engine} is out of memory: {message}")]
    OutOfMemory {
        /// The engine's name.
        engine: String,
        /// The device's message.
        message: String,
    },
    /// The stop flag was set.
    #[error("interrupted")]
    Interrupted,
    /// The device failed.
    #[error("{engine} failed: {message}")]
    Device {
        /// The engine's name.
        engine: String,
        /// The device's message.
        message: String,
    },
    /// A checkpoint cannot be read or written.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file is not a complete checkpoint.
    #[error("{} is not a complete checkpoint: {reason}; delete it to start over, or restore the complete file", .path.display())]
    BadCheckpoint {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A checkpoint belongs to another training.
    #[error("{} belongs to another training: its {what} is `{found}`, but this one has `{expected}`; use another folder", .path.display())]
    OtherCheckpoint {
        /// The file.
        path: PathBuf,
        /// The item that differs.
        what: &'static str,
        /// The checkpoint's.
        found: String,
        /// This training's.
        expected: String,
    },
}
