//! Tokens into layers: the form of a list, of a layer and of its numbers.

use crate::token::{Token, TokenKind, tokens};
use crate::{Layer, ParseError, ParseErrorKind};
use std::ops::Range;

/// Layers of the ancestor's grammar that dpnas has no meaning for.
const NOT_SUPPORTED: [&str; 5] = ["GAP", "NIN", "BN", "D", "S"];

/// A layer and where it was written.
#[derive(Debug)]
pub(crate) struct LayerSyntax {
    pub(crate) layer: Layer,
    /// The whole layer.
    pub(crate) span: Range<usize>,
    /// Each number between its parentheses.
    pub(crate) numbers: Vec<Range<usize>>,
}

/// The numbers of one kind of layer.
struct Form {
    /// How the layer is written.
    written: &'static str,
    /// What each number means.
    names: &'static [&'static str],
}

const CONV: Form = Form {
    written: "C(features,kernel,stride,padding,1)",
    names: &["number of features", "kernel", "stride", "padding", "last number"],
};
const POOL: Form = Form { written: "P(size,stride,0,0)", names: &["window size", "stride", "padding", "last number"] };
const LINEAR: Form = Form { written: "FC(units)", names: &["number of units"] };
const SOFTMAX: Form = Form { written: "SM(classes)", names: &["number of classes"] };

/// Parses a whole text `[layer, layer, …]`.
pub(crate) fn layers(text: &str) -> Result<Vec<LayerSyntax>, ParseError> {
    Parser { text, tokens: tokens(text), next: 0 }.list()
}

/// The text's tokens and how many of them were read.
struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
}

impl Parser<'_> {
    fn list(mut self) -> Result<Vec<LayerSyntax>, ParseError> {
        self.expect(TokenKind::ListOpen, "`[`")?;
        let mut layers = Vec::new();
        if self.peek() == Some(TokenKind::ListClose) {
            self.next += 1;
        } else {
            loop {
                layers.push(self.layer()?);
                match self.peek() {
                    Some(TokenKind::Comma) => self.next += 1,
                    Some(TokenKind::ListClose) => break self.next += 1,
                    _ => return Err(self.unexpected("`,` or `]` after a layer")),
                }
            }
        }
        match self.peek() {
            None => Ok(layers),
            Some(_) => Err(self.unexpected("the end of the text after `]`")),
        }
    }

    fn layer(&mut self) -> Result<LayerSyntax, ParseError> {
        let name = self.expect(TokenKind::Name, "a layer: `C`, `P`, `FC` or `SM`")?;
        match &self.text[name.clone()] {
            "C" => self.numbers(name, &CONV, Self::conv),
            "P" => self.numbers(name, &POOL, Self::pool),
            "FC" => self.numbers(name, &LINEAR, |_, [(units, _)]| Ok(Layer::Linear { units })),
            "SM" => self.numbers(name, &SOFTMAX, |_, [(classes, _)]| Ok(Layer::Softmax { classes })),
            found => {
                let kind = match NOT_SUPPORTED.into_iter().find(|name| *name == found) {
                    Some(name) => ParseErrorKind::NotSupported { name },
                    None => ParseErrorKind::UnknownLayer { name: found.to_owned() },
                };
                Err(self.error(kind, name))
            }
        }
    }

    fn conv(&self, numbers: [(u32, Range<usize>); 5]) -> Result<Layer, ParseError> {
        let [(features, _), (kernel, kernel_span), (stride, _), (padding, _), (last, last_span)] = numbers;
        match (last, kernel, stride, padding) {
            (1, ..) => Ok(Layer::Conv { features, kernel, stride, padding }),
            (0, 3, 1, 1) => Ok(Layer::Residual { features }),
            (0, ..) => {
                let kind = ParseErrorKind::ResidualNumbers { kernel, stride, padding };
                Err(self.error(kind, kernel_span.start..last_span.end))
            }
            (found, ..) => Err(self.error(ParseErrorKind::ConvLastNumber { found }, last_span)),
        }
    }

    fn pool(&self, numbers: [(u32, Range<usize>); 4]) -> Result<Layer, ParseError> {
        match numbers {
            [(size, _), (stride, _), (0, _), (0, _)] => Ok(Layer::MaxPool { size, stride }),
            [_, _, (0, _), (found, span)] => Err(self.error(ParseErrorKind::PoolLastNumber { found }, span)),
            [_, _, (found, span), _] => Err(self.error(ParseErrorKind::PoolPadding { found }, span)),
        }
    }

    /// `(`, one number for each name of the form, `)`; `build` makes the layer of them.
    fn numbers<const N: usize>(
        &mut self,
        name: Range<usize>,
        form: &Form,
        build: impl Fn(&Self, [(u32, Range<usize>); N]) -> Result<Layer, ParseError>,
    ) -> Result<LayerSyntax, ParseError> {
        let Form { written, names } = form;
        self.expect(TokenKind::NumbersOpen, &format!("`(`, as in `{written}`"))?;
        let mut numbers = [const { (0, 0..0) }; N];
        for (position, slot) in numbers.iter_mut().enumerate() {
            let meaning = names[position];
            if position > 0 {
                self.expect(TokenKind::Comma, &format!("`,` and the {meaning}, as in `{written}`"))?;
            }
            let span = self.expect(TokenKind::Number, &format!("the {meaning}, as in `{written}`"))?;
            *slot = (self.number(&span)?, span);
        }
        let end = self.expect(TokenKind::NumbersClose, &format!("`)`, as in `{written}`"))?.end;
        let spans = numbers.iter().map(|(_, span)| span.clone()).collect();
        Ok(LayerSyntax { layer: build(self, numbers)?, span: name.start..end, numbers: spans })
    }

    fn number(&self, span: &Range<usize>) -> Result<u32, ParseError> {
        let digits = &self.text[span.clone()];
        // The token is nothing but digits, so that only its size can be wrong.
        digits
            .parse()
            .map_err(|_| self.error(ParseErrorKind::NumberTooLarge { digits: digits.to_owned() }, span.clone()))
    }

    fn peek(&self) -> Option<TokenKind> {
        self.tokens.get(self.next).map(|token| token.kind)
    }

    fn expect(&mut self, kind: TokenKind, expected: &str) -> Result<Range<usize>, ParseError> {
        match self.tokens.get(self.next) {
            Some(token) if token.kind == kind => {
                self.next += 1;
                Ok(token.span.clone())
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// The next token, or the end of the text, is not what was expected.
    fn unexpected(&self, expected: &str) -> ParseError {
        match self.tokens.get(self.next) {
            Some(token) => {
                let kind = ParseErrorKind::Unexpected { found: self.text[token.span.clone()].to_owned() };
                ParseError::new(kind, self.text, token.span.clone(), expected)
            }
            None => {
                let end = self.tokens.last().map_or(0, |token| token.span.end);
                ParseError::new(ParseErrorKind::UnexpectedEnd, self.text, end..end, expected)
            }
        }
    }

    fn error(&self, kind: ParseErrorKind, span: Range<usize>) -> ParseError {
        let expected = kind.expected();
        ParseError::new(kind, self.text, span, expected)
    }
}
