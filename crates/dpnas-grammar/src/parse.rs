//! Text into nets and prefixes: the size limit, the syntax, then the order of the layers.

use crate::syntax::{self, LayerSyntax};
use crate::{Net, NetError, ParseError, ParseErrorKind, Prefix};
use std::ops::Range;
use std::str::FromStr;

/// Longest text that is looked at, in bytes.
///
/// # Source
/// SPEC §2.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

impl FromStr for Net {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let syntax = layers(text)?;
        Self::new(plain(&syntax)).map_err(|error| net_error(text, &syntax, error))
    }
}

impl FromStr for Prefix {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let syntax = layers(text)?;
        Self::new(plain(&syntax)).map_err(|error| net_error(text, &syntax, error))
    }
}

fn layers(text: &str) -> Result<Vec<LayerSyntax>, ParseError> {
    if text.len() > MAX_TEXT_BYTES {
        let kind = ParseErrorKind::TextTooLong { bytes: text.len() };
        let expected = kind.expected();
        return Err(ParseError::new(kind, text, text.floor_char_boundary(MAX_TEXT_BYTES)..text.len(), expected));
    }
    syntax::layers(text)
}

fn plain(syntax: &[LayerSyntax]) -> Vec<crate::Layer> {
    syntax.iter().map(|layer| layer.layer).collect()
}

fn net_error(text: &str, syntax: &[LayerSyntax], error: NetError) -> ParseError {
    let span = net_error_span(text, syntax, &error);
    let kind = ParseErrorKind::Net(error);
    let expected = kind.expected();
    ParseError::new(kind, text, span, expected)
}

/// The number that is 0, else the offending layer, else the empty list.
fn net_error_span(text: &str, syntax: &[LayerSyntax], error: &NetError) -> Range<usize> {
    match (error.index().and_then(|index| syntax.get(index)), error) {
        (Some(layer), NetError::Zero { position, .. }) => layer.numbers[*position].clone(),
        (Some(layer), _) => layer.span.clone(),
        (None, _) => text.len() - text.trim_start().len()..text.trim_end().len(),
    }
}
