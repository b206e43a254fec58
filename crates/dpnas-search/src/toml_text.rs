//! Space settings as TOML text, in full or as changes to a preset.

use crate::space_settings::{SpaceError, SpaceSettings};
use serde::Deserialize;

impl SpaceSettings {
    /// Reads settings from TOML: the keys are the fields, each optional, and override the preset that the optional key
    /// `preset` names (`paper` if it is absent).
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
        let changes: Changes = toml::from_str(text)?;
        let base = match changes.preset {
            None => Self::paper(),
            Some(name) => Self::named(&name).ok_or(SpaceError::UnknownPreset { name })?,
        };
        let settings = Self {
            kernels: changes.kernels.unwrap_or(base.kernels),
            features: changes.features.unwrap_or(base.features),
            large_kernel: changes.large_kernel.unwrap_or(base.large_kernel),
            large_kernel_stride: changes.large_kernel_stride.unwrap_or(base.large_kernel_stride),
            pool_sizes: changes.pool_sizes.unwrap_or(base.pool_sizes),
            pool_strides: changes.pool_strides.unwrap_or(base.pool_strides),
            fc_sizes: changes.fc_sizes.unwrap_or(base.fc_sizes),
            min_depth: changes.min_depth.unwrap_or(base.min_depth),
            max_depth: changes.max_depth.unwrap_or(base.max_depth),
            max_fc: changes.max_fc.unwrap_or(base.max_fc),
            max_final_map: changes.max_final_map.unwrap_or(base.max_final_map),
            max_features: changes.max_features.unwrap_or(base.max_features),
        };
        settings.validate()?;
        Ok(settings)
    }

    /// Every setting as TOML, one a line; [`from_toml`](Self::from_toml) reads it back.
    pub fn to_toml(&self) -> String {
        let Self {
            kernels,
            features,
            large_kernel,
            large_kernel_stride,
            pool_sizes,
            pool_strides,
            fc_sizes,
            min_depth,
            max_depth,
            max_fc,
            max_final_map,
            max_features,
        } = self;
        format!(
            "kernels = {kernels:?}\n\
             features = {features:?}\n\
             large_kernel = {large_kernel}\n\
             large_kernel_stride = {large_kernel_stride}\n\
             pool_sizes = {pool_sizes:?}\n\
             pool_strides = {pool_strides:?}\n\
             fc_sizes = {fc_sizes:?}\n\
             min_depth = {min_depth}\n\
             max_depth = {max_depth}\n\
             max_fc = {max_fc}\n\
             max_final_map = {max_final_map}\n\
             max_features = {max_features}\n"
        )
    }
}

/// The keys that a text may set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    preset: Option<String>,
    kernels: Option<Vec<u32>>,
    features: Option<Vec<u32>>,
    large_kernel: Option<u32>,
    large_kernel_stride: Option<u32>,
    pool_sizes: Option<Vec<u32>>,
    pool_strides: Option<Vec<u32>>,
    fc_sizes: Option<Vec<u32>>,
    min_depth: Option<u32>,
    max_depth: Option<u32>,
    max_fc: Option<u32>,
    max_final_map: Option<u32>,
    max_features: Option<u64>,
}
