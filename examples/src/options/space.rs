//! The space of a search as an option: a name, a file, or all its values.

use anyhow::{Context, Result};
use dpnas::search::SpaceSettings;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use toml::Value;

/// A space by name or file, or spelled out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SpaceChoice {
    /// `paper`, `reference-code`, `small`, or a TOML file.
    Named(String),
    /// All values.
    Explicit(SpaceSettings),
}

impl<'de> Deserialize<'de> for SpaceChoice {
    /// Not derived: the errors of untagged values name no key.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(name) => Ok(Self::Named(name)),
            Value::Table(table) => match table.try_into() {
                Ok(settings) => Ok(Self::Explicit(settings)),
                Err(error) => Err(D::Error::custom(error.to_string().trim().replace('\n', ", "))),
            },
            other => {
                let found = other.type_str();
                Err(D::Error::custom(format!("found a value of type {found}; expected a name, a file or a table")))
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use toml::Table;

    #[test]
    fn a_wrong_value_of_a_table_is_named_by_its_key() {
        let message = |space: Value| SpaceChoice::deserialize(space).unwrap_err().message().to_owned();
        let mut table = Table::try_from(SpaceSettings::small()).unwrap();
        table.insert("kernels".to_owned(), "three".into());
        let expected = "invalid type: string \"three\", expected a sequence, in `kernels`";
        assert_eq!(message(table.clone().into()), expected);
        table.remove("kernels");
        assert_eq!(message(table.clone().into()), "missing field `kernels`");
        assert_eq!(message(3.into()), "found a value of type integer; expected a name, a file or a table");
    }

    #[test]
    fn names_and_tables_are_read_as_they_are_written() {
        for choice in [SpaceChoice::Named("small".to_owned()), SpaceChoice::Explicit(SpaceSettings::small())] {
            let text =
                toml::to_string(&Table::from_iter([("space".to_owned(), Value::try_from(&choice).unwrap())])).unwrap();
            let mut table: Table = text.parse().unwrap();
            assert_eq!(SpaceChoice::deserialize(table.remove("space").unwrap()), Ok(choice));
        }
    }
}
