//! The syntax of a list of layers, without the order of the layers.

use crate::{Layer, ParseError, ParseErrorKind};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while};
use nom::character::complete::{anychar, digit1, satisfy};
use nom::combinator::{consumed, cut, eof, map, peek, recognize};
use nom::error::ErrorKind;
use nom::multi::separated_list1;
use nom::sequence::{delimited, terminated};
use nom::{IResult, Offset, Parser};

/// Layers of the ancestor's grammar, MetaQNN.
const NOT_SUPPORTED: [&str; 5] = ["GAP", "NIN", "BN", "D", "S"];

/// A layer and the text it was read from.
#[derive(Debug)]
pub(crate) struct LayerSyntax<'a> {
    pub(crate) layer: Layer,
    pub(crate) text: &'a str,
    pub(crate) numbers: Vec<&'a str>,
}

/// What is wrong at a place of the text.
#[derive(Debug)]
pub(crate) struct Fault<'a> {
    place: &'a str,
    kind: ParseErrorKind,
    expected: String,
}

type Parsed<'a, T> = IResult<&'a str, T, Fault<'a>>;
type Number<'a> = (u32, &'a str);

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
pub(crate) fn layers(text: &str) -> Result<Vec<LayerSyntax<'_>>, Fault<'_>> {
    let close = || token(tag("]"), "`,` or `]` after a layer");
    let empty = map(peek(close()), |_| Vec::new());
    // Without `cut`, a comma without a layer would be left for `close` to complain about.
    let list = alt((empty, separated_list1(token(tag(","), ""), cut(layer))));
    let list = delimited(token(tag("["), "`[`"), list, close());
    let whole = terminated(list, token(eof, "the end of the text after `]`")).parse(text);
    match whole {
        Ok((_, layers)) => Ok(layers),
        Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => Err(fault),
        Err(nom::Err::Incomplete(_)) => unreachable!("parsers of complete texts ask for no more"),
    }
}

fn layer(text: &str) -> Parsed<'_, LayerSyntax<'_>> {
    let numbered = |text| {
        let (rest, name) = token(name, "a layer: `C`, `P`, `FC` or `SM`").parse(text)?;
        match name {
            "C" => numbers(rest, &CONV, |numbers| conv(rest, numbers)),
            "P" => numbers(rest, &POOL, pool),
            "FC" => numbers(rest, &LINEAR, |[(units, _)]| Ok(Layer::Linear { units })),
            "SM" => numbers(rest, &SOFTMAX, |[(classes, _)]| Ok(Layer::Softmax { classes })),
            _ => Err(nom::Err::Failure(match NOT_SUPPORTED.into_iter().find(|known| *known == name) {
                Some(known) => Fault::new(name, ParseErrorKind::NotSupported { name: known }),
                None => Fault::new(name, ParseErrorKind::UnknownLayer { name: name.to_owned() }),
            })),
        }
    };
    let layer = |(text, (layer, numbers))| LayerSyntax { layer, text, numbers };
    map(consumed(numbered), layer).parse(text.trim_start())
}

/// `(`, one number for each name of the form, `)`; `build` makes the layer of them.
fn numbers<'a, const N: usize>(
    text: &'a str,
    form: &Form,
    build: impl Fn([Number<'a>; N]) -> Result<Layer, Fault<'a>>,
) -> Parsed<'a, (Layer, Vec<&'a str>)> {
    let Form { written, names } = form;
    let mut numbers = [(0, ""); N];
    let (mut rest, _) = token(tag("("), format!("`(`, as in `{written}`")).parse(text)?;
    for (position, (slot, name)) in numbers.iter_mut().zip(*names).enumerate() {
        if position > 0 {
            (rest, _) = token(tag(","), format!("`,` and the {name}, as in `{written}`")).parse(rest)?;
        }
        let digits;
        (rest, digits) = token(digit1, format!("the {name}, as in `{written}`")).parse(rest)?;
        // Digits alone can only be too large.
        let too_large = |_| Fault::new(digits, ParseErrorKind::NumberTooLarge { digits: digits.to_owned() });
        *slot = (digits.parse().map_err(too_large).map_err(nom::Err::Failure)?, digits);
    }
    let (rest, _) = token(tag(")"), format!("`)`, as in `{written}`")).parse(rest)?;
    let layer = build(numbers).map_err(nom::Err::Failure)?;
    Ok((rest, (layer, numbers.map(|(_, digits)| digits).to_vec())))
}

fn conv<'a>(text: &'a str, numbers: [Number<'a>; 5]) -> Result<Layer, Fault<'a>> {
    let [(features, _), (kernel, from), (stride, _), (padding, _), (last, place)] = numbers;
    match (last, kernel, stride, padding) {
        (1, ..) => Ok(Layer::Conv { features, kernel, stride, padding }),
        (0, 3, 1, 1) => Ok(Layer::Residual { features }),
        (0, ..) => {
            let place = &text[text.offset(from)..text.offset(place) + place.len()];
            Err(Fault::new(place, ParseErrorKind::ResidualNumbers { kernel, stride, padding }))
        }
        (found, ..) => Err(Fault::new(place, ParseErrorKind::ConvLastNumber { found })),
    }
}

fn pool(numbers: [Number<'_>; 4]) -> Result<Layer, Fault<'_>> {
    match numbers {
        [(size, _), (stride, _), (0, _), (0, _)] => Ok(Layer::MaxPool { size, stride }),
        [_, _, (0, _), (found, place)] => Err(Fault::new(place, ParseErrorKind::PoolLastNumber { found })),
        [_, _, (found, place), _] => Err(Fault::new(place, ParseErrorKind::PoolPadding { found })),
    }
}

/// What `parser` reads after white space.
fn token<'a>(
    mut parser: impl Parser<&'a str, Output = &'a str, Error = ()>,
    expected: impl Into<String>,
) -> impl Parser<&'a str, Output = &'a str, Error = Fault<'a>> {
    let expected = expected.into();
    move |text: &'a str| {
        let rest = text.trim_start();
        parser.parse(rest).map_err(|_| nom::Err::Error(Fault::unexpected(rest, expected.clone())))
    }
}

/// A letter and the letters, digits and `_` after it.
fn name(text: &str) -> IResult<&str, &str, ()> {
    recognize((satisfy(char::is_alphabetic), take_while(|c: char| c.is_alphanumeric() || c == '_'))).parse(text)
}

impl<'a> Fault<'a> {
    pub(crate) fn new(place: &'a str, kind: ParseErrorKind) -> Self {
        Self { place, expected: kind.expected(), kind }
    }

    /// `text` begins with something else than what was expected.
    fn unexpected(text: &'a str, expected: String) -> Self {
        let found: IResult<_, _, ()> = alt((name, digit1, recognize(anychar))).parse(text);
        match found {
            Ok((_, found)) => {
                Self { place: found, kind: ParseErrorKind::Unexpected { found: found.to_owned() }, expected }
            }
            Err(_) => Self { place: text, kind: ParseErrorKind::UnexpectedEnd, expected },
        }
    }

    /// The error of the text that the fault is in.
    pub(crate) fn within(self, text: &str) -> ParseError {
        // The end of the text is shown before the white space there.
        let start = if self.place.is_empty() { text.trim_end().len() } else { text.offset(self.place) };
        ParseError::new(self.kind, text, start..start + self.place.len(), self.expected)
    }
}

impl<'a> nom::error::ParseError<&'a str> for Fault<'a> {
    fn from_error_kind(text: &'a str, _: ErrorKind) -> Self {
        Self::unexpected(text, String::new())
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }
}
