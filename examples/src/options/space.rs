//! The space of a search as an option: a name, a file, or all its values.

use anyhow::{Context, Result};
use dpnas::search::SpaceSettings;
use serde::{Deserialize, Serialize};

/// A space by name or file, or spelled out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SpaceChoice {
    /// `paper`, `reference-code`, `small`, or a TOML file.
    Named(String),
    /// All values.
    Explicit(SpaceSettings),
}

impl SpaceChoice {
    /// The settings of the space.
    ///
    /// # Errors
    /// If the name is no preset and no readable file, or a value in the file is wrong.
    pub fn settings(&self) -> Result<SpaceSettings> {
        let name = match self {
            Self::Explicit(settings) => return Ok(settings.clone()),
            Self::Named(name) => name,
        };
        if let Some(settings) = SpaceSettings::named(name) {
            return Ok(settings);
        }
        let known = dpnas::search::SPACE_PRESETS.join(", ");
        let text = std::fs::read_to_string(name)
            .with_context(|| format!("`{name}` is neither a space ({known}) nor a readable TOML file"))?;
        SpaceSettings::from_toml(&text).with_context(|| format!("in {name}"))
    }
}
