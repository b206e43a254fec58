//! The beginning of an architecture, for tools that extend it layer by layer.

use crate::net::{check, write_list};
use crate::{Layer, Net, NetError};
use std::fmt;

/// The beginning of a [`Net`]: it may be empty, and `SM` may be missing.
///
/// ```
/// use dpnas_grammar::Prefix;
///
/// let start: Prefix = "[]".parse()?;
/// assert!(start.layers().is_empty());
/// let prefix: Prefix = "[C(32,5,1,2,1)]".parse()?;
/// assert_eq!(prefix.to_string(), "[C(32,5,1,2,1)]");
/// # Ok::<(), dpnas_grammar::ParseError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(Vec<Layer>);

impl Prefix {
    /// A prefix of these layers.
    ///
    /// # Errors
    /// As [`Net::new`], but no layers and a missing `SM` are right.
    pub fn new(layers: Vec<Layer>) -> Result<Self, NetError> {
        check(&layers)?;
        Ok(Self(layers))
    }

    /// All layers, in order.
    pub fn layers(&self) -> &[Layer] {
        &self.0
    }
}

impl From<Net> for Prefix {
    fn from(net: Net) -> Self {
        Self(net.layers().to_vec())
    }
}

impl TryFrom<Prefix> for Net {
    type Error = NetError;

    fn try_from(prefix: Prefix) -> Result<Self, NetError> {
        Self::new(prefix.0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0)
    }
}
