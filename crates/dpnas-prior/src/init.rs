//! The five weight initialisations.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Distribution of a convolution's weights; fan = channels · kernel².
///
/// Prints and parses as `kaiming-normal` and so on; underscores are accepted for hyphens.
///
/// # Source
/// SPEC §6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightInit {
    /// Normal with standard deviation √(2 / fan_in).
    KaimingNormal,
    /// Uniform within ±√(6 / fan_in).
    KaimingUniform,
    /// Normal with standard deviation √(2 / (fan_in + fan_out)).
    XavierNormal,
    /// Uniform within ±√(6 / (fan_in + fan_out)).
    XavierUniform,
    /// The `[out, in · kernel²]` matrix has orthonormal rows (or columns, if it is tall).
    Orthogonal,
}

impl WeightInit {
    /// Every initialisation with its name.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::KaimingNormal, "kaiming-normal"),
        (Self::KaimingUniform, "kaiming-uniform"),
        (Self::XavierNormal, "xavier-normal"),
        (Self::XavierUniform, "xavier-uniform"),
        (Self::Orthogonal, "orthogonal"),
    ];
}

impl fmt::Display for WeightInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(init, _)| init == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

/// An unknown initialisation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown weight initialisation `{name}`: use kaiming-normal, kaiming-uniform, xavier-normal, xavier-uniform or \
     orthogonal"
)]
pub struct UnknownInit {
    /// The name.
    pub name: String,
}

impl FromStr for WeightInit {
    type Err = UnknownInit;

    fn from_str(name: &str) -> Result<Self, UnknownInit> {
        let wanted = name.replace('_', "-");
        Self::ALL
            .iter()
            .find(|(_, known)| *known == wanted)
            .map(|(init, _)| *init)
            .ok_or_else(|| UnknownInit { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_print_and_parse() {
        for (init, name) in WeightInit::ALL {
            assert_eq!(init.to_string(), name);
            assert_eq!(name.parse(), Ok(init));
            assert_eq!(name.replace('-', "_").parse(), Ok(init));
            assert_eq!(serde_json::to_string(&init).unwrap(), format!("\"{name}\""));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = "he-normal".parse::<WeightInit>().unwrap_err().to_string();
        for (_, name) in WeightInit::ALL {
            assert!(message.contains(name), "{message}");
        }
    }
}
