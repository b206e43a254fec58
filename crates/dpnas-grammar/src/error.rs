//! The error of a text that is not an architecture.

use crate::NetError;
use crate::excerpt::{Excerpt, quoted};
use crate::parse::MAX_TEXT_BYTES;
use std::fmt;
use std::ops::Range;

/// A text that is not an architecture.
///
/// Displays the position, what was found and expected, and the offending line with carets under it:
///
/// ```
/// use dpnas_grammar::Net;
///
/// let error = "[C(32,5,1,2,1), X(4,4), SM(10)]".parse::<Net>().unwrap_err();
/// assert_eq!(error.span(), 16..17);
/// assert_eq!(error.to_string(), "\
/// line 1, column 17: unknown layer `X`; expected `C`, `P`, `FC` or `SM`
///     [C(32,5,1,2,1), X(4,4), SM(10)]
///                     ^");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    kind: ParseErrorKind,
    span: Range<usize>,
    expected: String,
    excerpt: Box<Excerpt>,
}

impl ParseError {
    pub(crate) fn new(kind: ParseErrorKind, text: &str, span: Range<usize>, expected: String) -> Self {
        let excerpt = Box::new(Excerpt::new(text, &span));
        Self { kind, span, expected, excerpt }
    }

    /// What is wrong.
    pub fn kind(&self) -> &ParseErrorKind {
        &self.kind
    }

    /// Where: bytes of the text, on character boundaries; empty at the place where something is missing.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// What was expected there, in words.
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, span: _, expected, excerpt } = self;
        write!(f, "line {}, column {}: {kind}", excerpt.line, excerpt.column)?;
        // A NetError says itself what to do.
        if !matches!(kind, ParseErrorKind::Net(_)) {
            write!(f, "; expected {expected}")?;
        }
        write!(f, "\n{excerpt}")
    }
}

impl std::error::Error for ParseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The kind is part of the message already.
        None
    }
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The text is longer than [`MAX_TEXT_BYTES`].
    #[error("the text has {bytes} bytes")]
    TextTooLong {
        /// Length of the text, in bytes.
        bytes: usize,
    },
    /// A token that the grammar does not allow there.
    #[error("found {}", quoted(found))]
    Unexpected {
        /// The token.
        found: String,
    },
    /// The text ends before the architecture does.
    #[error("the text ends here")]
    UnexpectedEnd,
    /// A name that is no layer.
    #[error("unknown layer {}", quoted(name))]
    UnknownLayer {
        /// The name.
        name: String,
    },
    /// A layer of the ancestor's grammar (MetaQNN): `GAP`, `NIN`, `BN`, `D` or `S`.
    #[error("layer `{name}` of the MetaQNN grammar is not supported")]
    NotSupported {
        /// The layer's name.
        name: &'static str,
    },
    /// A number that does not fit 32 bits.
    #[error("the number {} is too large", quoted(digits))]
    NumberTooLarge {
        /// The number as written.
        digits: String,
    },
    /// A residual block, `C` with the last number 0, without the numbers 3, 1, 1 before it.
    #[error(
        "the last number 0 makes a residual block, but kernel, stride and padding are {kernel},{stride},{padding} \
         and not 3,1,1"
    )]
    ResidualNumbers {
        /// Kernel size as written.
        kernel: u32,
        /// Stride as written.
        stride: u32,
        /// Padding as written.
        padding: u32,
    },
    /// `C` whose last number is neither 0 nor 1.
    #[error("the last number of `C` is {found}")]
    ConvLastNumber {
        /// The number as written.
        found: u32,
    },
    /// `P` with a padding.
    #[error("the padding of `P` is {found}")]
    PoolPadding {
        /// The number as written.
        found: u32,
    },
    /// `P` whose last number is not 0.
    #[error("the last number of `P` is {found}")]
    PoolLastNumber {
        /// The number as written.
        found: u32,
    },
    /// The layers are well written, but do not make a net.
    #[error(transparent)]
    Net(NetError),
}

impl ParseErrorKind {
    /// The expectation that follows from the kind alone.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::TextTooLong { .. } => format!("at most {MAX_TEXT_BYTES} bytes"),
            Self::NumberTooLarge { .. } => format!("a number of at most {}", u32::MAX),
            Self::ConvLastNumber { .. } => "1 for a convolution, or 0 for a residual block".into(),
            Self::PoolPadding { .. } => "0, because pooling has no padding".into(),
            Self::PoolLastNumber { .. } => "0".into(),
            Self::ResidualNumbers { .. } => "`3,1,1,0`, or 1 as the last number for a convolution".into(),
            Self::Net(error) => net_expectation(error).into(),
            Self::Unexpected { .. } | Self::UnexpectedEnd | Self::UnknownLayer { .. } | Self::NotSupported { .. } => {
                "`C`, `P`, `FC` or `SM`".into()
            }
        }
    }
}

fn net_expectation(error: &NetError) -> &'static str {
    match error {
        NetError::Empty => "at least `SM(classes)`",
        NetError::MissingSoftmax { .. } => "`SM(classes)` as the last layer",
        NetError::AfterSoftmax { .. } | NetError::TooManyLayers { .. } => "no further layer",
        NetError::EncoderAfterLinear { .. } => "`FC` or `SM` after `FC`",
        NetError::Zero { .. } => "a number of at least 1",
    }
}
