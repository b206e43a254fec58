//! Labelled images in memory.

use crate::{ColorMode, DataError, LimitOrder, Warning, limit};
use dpnas_grammar::ImageShape;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The most pixels (images × channels × height × width) that one set may hold: 2^30, 4 GiB of `f32`.
pub const MAX_PIXELS: u64 = 1 << 30;

/// Labelled images of one shape, with pixels in `[0, 1]`.
///
/// Clones share the pixels.
///
/// # Shapes
/// `[n, channels, height, width]`, row-major; one label per image.
#[derive(Clone, PartialEq)]
pub struct ImageSet {
    shape: ImageShape,
    pixels: Arc<Vec<f32>>,
    labels: Arc<Vec<u32>>,
    class_names: Arc<Vec<String>>,
}

impl ImageSet {
    /// A set from its parts. The number of labels is the number of images and may be 0.
    ///
    /// # Errors
    /// [`DataError::BadShape`], [`DataError::PixelCount`], [`DataError::PixelRange`], [`DataError::LabelRange`].
    pub fn new(
        shape: ImageShape,
        pixels: Vec<f32>,
        labels: Vec<u32>,
        class_names: Vec<String>,
    ) -> Result<Self, DataError> {
        let image_len = image_len(shape)?;
        if labels.len().checked_mul(image_len) != Some(pixels.len()) {
            return Err(DataError::PixelCount { pixels: pixels.len(), labels: labels.len(), shape });
        }
        if let Some((at, &value)) = pixels.iter().enumerate().find(|(_, pixel)| !(0.0..=1.0).contains(*pixel)) {
            return Err(DataError::PixelRange { image: at / image_len, index: at % image_len, value });
        }
        check_labels(&labels, class_names.len())?;
        Ok(Self { shape, pixels: pixels.into(), labels: labels.into(), class_names: class_names.into() })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Number of classes, with and without images.
    pub fn classes(&self) -> u32 {
        u32::try_from(self.class_names.len()).unwrap_or(u32::MAX)
    }

    /// Names of the classes; label `l` means `class_names()[l]`.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Pixels of image `i`.
    ///
    /// # Shapes
    /// `[channels, height, width]`.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn image(&self, i: usize) -> &[f32] {
        self.images(i..i + 1)
    }

    /// Pixels of consecutive images.
    ///
    /// # Shapes
    /// `[range.len(), channels, height, width]`.
    ///
    /// # Panics
    /// If the range does not lie within `0..len()`.
    pub fn images(&self, range: Range<usize>) -> &[f32] {
        assert!(
            range.start <= range.end && range.end <= self.len(),
            "images {range:?} of a set of {} images",
            self.len()
        );
        let len = self.image_len();
        self.pixels.get(range.start * len..range.end * len).unwrap_or_default()
    }

    /// All pixels.
    ///
    /// # Shapes
    /// `[n, channels, height, width]`.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// The label of every image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The images at `indices`, in that order; an index may come several times.
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(indices.len() * self.image_len());
        indices.iter().for_each(|&i| pixels.extend_from_slice(self.image(i)));
        let labels: Vec<u32> = indices.iter().filter_map(|&i| self.labels.get(i).copied()).collect();
        Self { labels: labels.into(), ..self.with_pixels(self.shape, pixels) }
    }

    /// The first `n` images, or all if there are fewer.
    pub fn first(&self, n: usize) -> Self {
        if n >= self.len() {
            return self.clone();
        }
        let labels: Vec<u32> = self.labels.iter().take(n).copied().collect();
        Self { labels: labels.into(), ..self.with_pixels(self.shape, self.images(0..n).to_vec()) }
    }

    /// The same images with rows and columns swapped.
    ///
    /// # Shapes
    /// `[n, channels, height, width]` → `[n, channels, width, height]`.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let ImageShape { height, width, .. } = self.shape;
        let (rows, columns) = (height as usize, width as usize);
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for plane in self.pixels.chunks_exact(rows * columns) {
            (0..columns).for_each(|column| pixels.extend(plane.iter().skip(column).step_by(columns)));
        }
        self.with_pixels(ImageShape { height: width, width: height, ..self.shape }, pixels)
    }

    /// The same images with other names of the classes.
    ///
    /// # Errors
    /// [`DataError::LabelRange`] if a label has no name.
    pub fn with_class_names(&self, names: Vec<String>) -> Result<Self, DataError> {
        check_labels(&self.labels, names.len())?;
        Ok(Self { class_names: names.into(), ..self.clone() })
    }

    /// Pixels of one image. The number fits `usize`: `new` checked it.
    pub(crate) fn image_len(&self) -> usize {
        self.shape.channels as usize * self.shape.height as usize * self.shape.width as usize
    }

    /// An empty buffer for as many images of another shape.
    pub(crate) fn buffer_for(&self, shape: ImageShape) -> Result<Vec<f32>, DataError> {
        buffer(shape, self.len())
    }

    /// The same labels with other pixels.
    pub(crate) fn with_pixels(&self, shape: ImageShape, pixels: Vec<f32>) -> Self {
        Self { shape, pixels: pixels.into(), ..self.clone() }
    }
}

/// Leaves out pixels and labels, of which there may be millions.
impl fmt::Debug for ImageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shape, images) = (self.shape.to_string(), self.len());
        f.debug_struct("ImageSet").field("shape", &shape).field("images", &images).finish_non_exhaustive()
    }
}

/// Checks that every label has a class.
fn check_labels(labels: &[u32], classes: usize) -> Result<(), DataError> {
    match labels.iter().enumerate().find(|(_, label)| **label as usize >= classes) {
        Some((image, &label)) => Err(DataError::LabelRange { image, label, classes }),
        None => Ok(()),
    }
}

/// Number of pixels of one image of `shape`, or an error if the shape is empty or too large.
fn image_len(shape: ImageShape) -> Result<usize, DataError> {
    match shape.elements() {
        Some(len @ 1..=MAX_PIXELS) => Ok(len as usize),
        _ => Err(DataError::BadShape { shape }),
    }
}

/// An empty buffer with room for `images` images of `shape`.
pub(crate) fn buffer(shape: ImageShape, images: usize) -> Result<Vec<f32>, DataError> {
    let too_large = || DataError::TooLarge { images, shape };
    let len = image_len(shape)?.checked_mul(images).filter(|&len| len as u64 <= MAX_PIXELS).ok_or_else(too_large)?;
    let mut pixels = Vec::new();
    pixels.try_reserve_exact(len).map_err(|_| too_large())?;
    Ok(pixels)
}

/// The names "0", "1", … for classes without names.
pub(crate) fn numbered_classes(classes: u32) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

/// Training and test images of one shape, with the same classes.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// The set's name, for reports.
    pub name: String,
    /// Training images, from which [`hold_out`](crate::hold_out) takes validation images.
    pub train: ImageSet,
    /// Test images.
    pub test: ImageSet,
    /// Warnings of the reader; [`warnings`](Self::warnings) adds others.
    pub(crate) warnings: Vec<Warning>,
}

impl DataSet {
    /// A set of training and test images.
    pub fn new(name: impl Into<String>, train: ImageSet, test: ImageSet) -> Self {
        Self { name: name.into(), train, test, warnings: Vec::new() }
    }

    /// Both parts [resized](ImageSet::resized) to `size` × `size` pixels.
    ///
    /// # Errors
    /// As [`ImageSet::resized`].
    pub fn resized(&self, size: u32) -> Result<Self, DataError> {
        let mut resized = self.map(|set| set.resized(size))?;
        if self.train.shape().height != self.train.shape().width {
            resized.warnings.push(Warning::Stretched { images: self.train.len() + self.test.len(), size });
        }
        Ok(resized)
    }

    /// Both parts [in gray or RGB](ImageSet::to_channels).
    ///
    /// # Errors
    /// As [`ImageSet::to_channels`].
    pub fn to_channels(&self, mode: ColorMode) -> Result<Self, DataError> {
        self.map(|set| set.to_channels(mode))
    }

    /// Both parts [transposed](ImageSet::transposed).
    #[must_use]
    pub fn transposed(&self) -> Self {
        let warnings = self.warnings.iter().filter(|&warning| *warning != Warning::Transposed).cloned().collect();
        Self { train: self.train.transposed(), test: self.test.transposed(), warnings, ..self.clone() }
    }

    /// Both parts with other names of their classes.
    ///
    /// # Errors
    /// [`DataError::LabelRange`] if a label has no name.
    pub fn with_class_names(&self, names: Vec<String>) -> Result<Self, DataError> {
        self.map(|set| set.with_class_names(names.clone()))
    }

    /// The images of these classes alone. Class `classes[i]` becomes class `i`.
    ///
    /// # Errors
    /// [`DataError::Classes`] if a class is not there, has no training images, or comes twice.
    pub fn of_classes(&self, classes: &[u32]) -> Result<Self, DataError> {
        let all = self.train.classes();
        for (at, &class) in classes.iter().enumerate() {
            let problem = match () {
                () if class >= all => "is not there",
                () if classes.iter().take(at).any(|&earlier| earlier == class) => "is named twice",
                () if !self.train.labels().contains(&class) => "has no training images",
                () => continue,
            };
            return Err(DataError::Classes { class, problem, classes: all });
        }
        self.map(|set| {
            let place = |label: u32| classes.iter().position(|&class| class == label);
            let labels = set.labels.iter().enumerate();
            let kept: Vec<usize> = labels.filter_map(|(image, &label)| place(label).map(|_| image)).collect();
            let kept = set.select(&kept);
            let labels: Vec<u32> = kept.labels.iter().filter_map(|&label| Some(place(label)? as u32)).collect();
            let names: Vec<String> =
                classes.iter().filter_map(|&class| set.class_names.get(class as usize).cloned()).collect();
            Ok(ImageSet { labels: labels.into(), class_names: names.into(), ..kept })
        })
    }

    /// At most `n` training images, and every test image. A seed converts to [`LimitOrder::Balanced`].
    #[must_use]
    pub fn limit_train(&self, n: usize, order: impl Into<LimitOrder>) -> Self {
        if n >= self.train.len() {
            return self.clone();
        }
        Self { train: self.train.select(&limit::choose(self.train.labels(), n, order.into())), ..self.clone() }
    }

    fn map(&self, change: impl Fn(&ImageSet) -> Result<ImageSet, DataError>) -> Result<Self, DataError> {
        Ok(Self { train: change(&self.train)?, test: change(&self.test)?, ..self.clone() })
    }
}
