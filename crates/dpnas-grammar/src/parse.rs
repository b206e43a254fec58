//! Parsing of nets and prefixes: the size limit, the syntax, then the order of the layers.

use crate::syntax::{Fault, layers};
use crate::{Layer, Net, NetError, ParseError, ParseErrorKind, Prefix};
use std::str::FromStr;

/// Longest text that is parsed, in bytes.
///
/// # Source
/// SPEC §2.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

impl FromStr for Net {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text, Self::new).map_err(|fault| fault.within(text))
    }
}

impl FromStr for Prefix {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text, Self::new).map_err(|fault| fault.within(text))
    }
}

fn parse<T>(text: &str, build: impl FnOnce(Vec<Layer>) -> Result<T, NetError>) -> Result<T, Fault<'_>> {
    if text.len() > MAX_TEXT_BYTES {
        let rest = &text[text.floor_char_boundary(MAX_TEXT_BYTES)..];
        return Err(Fault::new(rest, ParseErrorKind::TextTooLong { bytes: text.len() }));
    }
    let syntax = layers(text)?;
    build(syntax.iter().map(|layer| layer.layer).collect()).map_err(|error| {
        // The number that is 0, else the offending layer, else the empty list.
        let place = match (error.index().and_then(|index| syntax.get(index)), &error) {
            (Some(layer), NetError::Zero { position, .. }) => layer.numbers.get(*position).unwrap_or(&layer.text),
            (Some(layer), _) => layer.text,
            (None, _) => text.trim(),
        };
        Fault::new(place, ParseErrorKind::Net(error))
    })
}
