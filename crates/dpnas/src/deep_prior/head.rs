//! The classifier on a frozen embedding.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How the linear classifier on a frozen embedding is trained.
///
/// Prints and parses as `adam` and `ridge`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// Softmax regression with Adam. The reward is the mean of the last five validation accuracies (SPEC §7).
    #[default]
    Adam,
    /// Ridge regression in closed form, with the feature `heads`. The reward is the leave-one-out accuracy over all training images, those of the
    /// validation set included. The settings of Adam have no effect.
    Ridge,
}

/// A name that is not a [`Head`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown head `{name}`: use adam or ridge")]
pub struct UnknownHead {
    /// The name.
    pub name: String,
}

impl FromStr for Head {
    type Err = UnknownHead;

    fn from_str(name: &str) -> Result<Self, UnknownHead> {
        match name {
            "adam" => Ok(Self::Adam),
            "ridge" => Ok(Self::Ridge),
            _ => Err(UnknownHead { name: name.to_owned() }),
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Adam => "adam",
            Self::Ridge => "ridge",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_print_and_parse() {
        for head in [Head::Adam, Head::Ridge] {
            assert_eq!(head.to_string().parse(), Ok(head));
            assert_eq!(serde_json::to_string(&head).unwrap(), format!("\"{head}\""));
        }
        let message = "lda".parse::<Head>().unwrap_err().to_string();
        assert_eq!(message, "unknown head `lda`: use adam or ridge");
    }
}
