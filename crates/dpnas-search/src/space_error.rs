//! Why settings do not describe a space.

use crate::SPACE_PRESETS;
use crate::space_settings::MAX_VALUES;
use dpnas_grammar::ImageShape;

/// Why settings do not describe a space.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// The text is not TOML, a key is unknown, or a value has the wrong type or does not fit its range.
    #[error("space settings: {message}")]
    Toml {
        /// What is wrong, and where.
        message: String,
    },
    /// The key `preset` names none of [`SPACE_PRESETS`].
    #[error("space settings: preset: `{name}` is not a preset; use one of {}", SPACE_PRESETS.join(", "))]
    UnknownPreset {
        /// The name that was given.
        name: String,
    },
    /// A list without values.
    #[error("space settings: {field}: the list is empty; give at least one number")]
    Empty {
        /// The setting.
        field: &'static str,
    },
    /// A number that must be at least 1 is 0.
    #[error("space settings: {field}: 0 is not allowed; every number is at least 1")]
    Zero {
        /// The setting.
        field: &'static str,
    },
    /// A list is not in ascending order, or holds a number twice.
    #[error("space settings: {field}: {first} stands before {second}; write the numbers in ascending order, each once")]
    NotAscending {
        /// The setting.
        field: &'static str,
        /// The number before.
        first: u32,
        /// The number after it, which should be larger.
        second: u32,
    },
    /// A list is longer than 64 numbers.
    #[error("space settings: {field}: {count} numbers are too many; use at most {MAX_VALUES}")]
    TooManyValues {
        /// The setting.
        field: &'static str,
        /// How many numbers it has.
        count: usize,
    },
    /// The limit on features does not fit a TOML integer.
    #[error("space settings: max_features: {value} is too large; use at most {}", i64::MAX)]
    TooManyFeatures {
        /// The limit that was given.
        value: u64,
    },
    /// The least depth is above the greatest.
    #[error("space settings: min_depth: {min_depth} is larger than max_depth, {max_depth}; exchange or change them")]
    DepthOrder {
        /// The least depth.
        min_depth: u32,
        /// The greatest depth.
        max_depth: u32,
    },
    /// The deepest architectures would have more layers than the grammar allows.
    #[error(
        "space settings: max_depth: {max_depth} convolutions, as many pooling layers and max_fc = {max_fc} make up to \
         {layers} layers with the classifier, but a net has at most {}; lower max_depth",
        dpnas_grammar::MAX_LAYERS
    )]
    TooDeep {
        /// The greatest depth.
        max_depth: u32,
        /// Most fully connected layers.
        max_fc: u32,
        /// How many layers that can make.
        layers: u64,
    },
    /// The images are not square.
    #[error("input: the search works on square images, and {input} is not; resize the images")]
    NotSquare {
        /// The shape of the images.
        input: ImageShape,
    },
    /// The images have no channels or no pixels.
    #[error("input: {input} images hold nothing; give at least one channel and one pixel")]
    EmptyInput {
        /// The shape of the images.
        input: ImageShape,
    },
    /// Fewer than two classes.
    #[error("classes: {classes} is too few to classify; give at least 2")]
    Classes {
        /// The number of classes.
        classes: u32,
    },
    /// No convolution or residual block fits the images.
    #[error(
        "space settings: kernels: the smallest, {kernel}, is not smaller than the {input} images, so there is no first \
         layer; add a smaller kernel or use larger images"
    )]
    NoFirstLayer {
        /// The shape of the images.
        input: ImageShape,
        /// The smallest kernel.
        kernel: u32,
    },
}

impl SpaceError {
    pub(crate) fn toml(error: toml::de::Error) -> Self {
        Self::Toml { message: error.to_string().trim_end().to_owned() }
    }
}
