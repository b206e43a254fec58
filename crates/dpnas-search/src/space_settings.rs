//! Settings of the state space: presets, TOML, checks.

use crate::{Space, SpaceError};
use dpnas_grammar::ImageShape;
use serde::{Deserialize, Serialize};

/// Settings of a [`Space`], which [`check`](Self::check) makes of them.
///
/// # Source
/// SPEC §4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpaceSettings {
    /// Kernel sizes of convolutions, in pixels, ascending.
    pub kernels: Vec<u32>,
    /// Output channels of convolutions and residual blocks, ascending.
    pub features: Vec<u32>,
    /// Kernels from this size on have [`large_kernel_stride`](Self::large_kernel_stride), smaller ones stride 1.
    pub large_kernel: u32,
    /// Stride of large kernels, in pixels.
    pub large_kernel_stride: u32,
    /// Window sizes of max pooling, in pixels, ascending.
    pub pool_sizes: Vec<u32>,
    /// Strides of max pooling, in pixels, ascending; those larger than the window are left out.
    pub pool_strides: Vec<u32>,
    /// Units of fully connected layers, ascending.
    pub fc_sizes: Vec<u32>,
    /// Least depth ([`State::depth`](crate::State::depth)), unless no further layer fits.
    pub min_depth: u32,
    /// Depth at which the encoder ends; a last residual block may exceed it by one.
    pub max_depth: u32,
    /// Most fully connected layers before the classifier.
    pub max_fc: u32,
    /// Largest side of the encoder's last map, in pixels.
    pub max_final_map: u32,
    /// Most features that enter the first classifier layer.
    pub max_features: u64,
}

/// Names of the presets, as [`SpaceSettings::named`] knows them.
pub const SPACE_PRESETS: [&str; 3] = ["paper", "reference-code", "small"];

impl SpaceSettings {
    /// The space of the publication.
    pub fn paper() -> Self {
        Self {
            kernels: vec![1, 3, 5, 7, 9, 11],
            features: vec![16, 32, 64, 128, 256, 512, 1024],
            large_kernel: 7,
            large_kernel_stride: 2,
            pool_sizes: vec![2, 3, 4],
            pool_strides: vec![2, 3, 4],
            fc_sizes: vec![32, 64, 128],
            min_depth: 3,
            max_depth: 12,
            max_fc: 0,
            max_final_map: 8,
            max_features: 20_000,
        }
    }

    /// The space of the published code: as [`paper`](Self::paper), with stride 1 for every kernel and a least depth
    /// of 2.
    pub fn reference_code() -> Self {
        Self { large_kernel_stride: 1, min_depth: 2, ..Self::paper() }
    }

    /// A space for small gray images and a CPU: few layers, and strides from kernel 5 on.
    ///
    /// Half of its accepted nets take fewer than 10 million multiply-adds on a 28×28 image, and fewer than 1 million on
    /// an 8×8 image.
    pub fn small() -> Self {
        Self {
            kernels: vec![1, 3, 5],
            features: vec![16, 32, 64, 128],
            large_kernel: 5,
            large_kernel_stride: 2,
            min_depth: 2,
            max_depth: 4,
            max_final_map: 10,
            max_features: 8_192,
            ..Self::paper()
        }
    }

    /// The preset of this name ([`SPACE_PRESETS`]).
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "paper" => Some(Self::paper()),
            "reference-code" => Some(Self::reference_code()),
            "small" => Some(Self::small()),
            _ => None,
        }
    }

    /// Reads settings from TOML. The keys are the fields. Those that are absent have the value of the preset that the key
    /// `preset` names, or of `paper` if that is absent, too.
    ///
    /// ```
    /// use dpnas_search::SpaceSettings;
    ///
    /// let settings = SpaceSettings::from_toml("preset = \"small\"\nmax_depth = 6")?;
    /// assert_eq!(settings, SpaceSettings { max_depth: 6, ..SpaceSettings::small() });
    /// # Ok::<(), dpnas_search::SpaceError>(())
    /// ```
    ///
    /// # Errors
    /// If the text is not TOML, a key is unknown, or a value is wrong, by the key's name.
    pub fn from_toml(text: &str) -> Result<Self, SpaceError> {
        let mut changes: toml::Table = text.parse().map_err(SpaceError::toml)?;
        let base = match changes.remove("preset") {
            None => Self::paper(),
            Some(toml::Value::String(name)) => Self::named(&name).ok_or(SpaceError::UnknownPreset { name })?,
            Some(other) => return Err(SpaceError::UnknownPreset { name: other.to_string() }),
        };
        #[expect(clippy::expect_used, reason = "a test makes a table of each preset")]
        let mut table = toml::Table::try_from(base).expect("presets are within the range of TOML integers");
        table.extend(changes);
        let settings: Self = table.try_into().map_err(SpaceError::toml)?;
        settings.validate()?;
        Ok(settings)
    }

    /// Checks every value that does not depend on the data.
    ///
    /// # Errors
    /// The first wrong value, by the name of its field.
    pub fn validate(&self) -> Result<(), SpaceError> {
        let lists = [
            ("kernels", &self.kernels),
            ("features", &self.features),
            ("pool_sizes", &self.pool_sizes),
            ("pool_strides", &self.pool_strides),
            ("fc_sizes", &self.fc_sizes),
        ];
        for (field, values) in lists {
            check_list(field, values)?;
        }
        let numbers = [
            ("large_kernel", u64::from(self.large_kernel)),
            ("large_kernel_stride", u64::from(self.large_kernel_stride)),
            ("min_depth", u64::from(self.min_depth)),
            ("max_depth", u64::from(self.max_depth)),
            ("max_final_map", u64::from(self.max_final_map)),
            ("max_features", self.max_features),
        ];
        if let Some((field, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Err(SpaceError::Zero { field });
        }
        if self.max_features > i64::MAX as u64 {
            return Err(SpaceError::TooManyFeatures { value: self.max_features });
        }
        if self.min_depth > self.max_depth {
            return Err(SpaceError::DepthOrder { min_depth: self.min_depth, max_depth: self.max_depth });
        }
        // Every convolution may be followed by pooling; the classifier is a layer, too.
        let layers = 2 * u64::from(self.max_depth) + u64::from(self.max_fc) + 1;
        if layers > dpnas_grammar::MAX_LAYERS as u64 {
            return Err(SpaceError::TooDeep { max_depth: self.max_depth, max_fc: self.max_fc, layers });
        }
        Ok(())
    }

    /// The space for images of shape `input` in `classes` classes, after a check of every value.
    ///
    /// # Errors
    /// The first wrong value, by the name of its field.
    pub fn check(self, input: ImageShape, classes: u32) -> Result<Space, SpaceError> {
        self.validate()?;
        if input.height != input.width {
            return Err(SpaceError::NotSquare { input });
        }
        if input.channels == 0 || input.height == 0 {
            return Err(SpaceError::EmptyInput { input });
        }
        if classes < 2 {
            return Err(SpaceError::Classes { classes });
        }
        let space = Space::of_checked(self, input, classes);
        if space.actions(&space.start()).is_empty() {
            let kernel = space.settings().kernels[0];
            return Err(SpaceError::NoFirstLayer { input, kernel });
        }
        Ok(space)
    }
}

fn check_list(field: &'static str, values: &[u32]) -> Result<(), SpaceError> {
    if values.is_empty() {
        return Err(SpaceError::Empty { field });
    }
    if values.contains(&0) {
        return Err(SpaceError::Zero { field });
    }
    if values.len() > MAX_VALUES {
        return Err(SpaceError::TooManyValues { field, count: values.len() });
    }
    match values.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(SpaceError::NotAscending { field, first: pair[0], second: pair[1] }),
        None => Ok(()),
    }
}

/// Most values in one list of [`SpaceSettings`], so that a state's actions stay few.
pub(crate) const MAX_VALUES: usize = 64;
