//! Text into tokens with spans; never fails, so that every complaint is left to the syntax.

use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::{anychar, char, digit1};
use nom::combinator::{recognize, value};
use nom::{IResult, Parser};
use std::ops::Range;

/// A token and where it stands, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Range<usize>,
}

/// What a token is; its text is found by its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// `[`
    ListOpen,
    /// `]`
    ListClose,
    /// `(`
    NumbersOpen,
    /// `)`
    NumbersClose,
    /// `,`
    Comma,
    /// A letter and the letters, digits and `_` after it.
    Name,
    /// ASCII digits.
    Number,
    /// Any other character.
    Other,
}

/// The tokens of `text`; white space only separates them.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut rest = text;
    let mut tokens = Vec::new();
    while let Ok((after, kind)) = spaced_token(rest) {
        let end = text.len() - after.len();
        let len = rest.trim_start().len() - after.len();
        tokens.push(Token { kind, span: end - len..end });
        rest = after;
    }
    tokens
}

/// White space, then one token; fails only at the end of the text.
fn spaced_token(text: &str) -> IResult<&str, TokenKind> {
    let (text, _) = take_while(char::is_whitespace).parse(text)?;
    alt((
        value(TokenKind::ListOpen, char('[')),
        value(TokenKind::ListClose, char(']')),
        value(TokenKind::NumbersOpen, char('(')),
        value(TokenKind::NumbersClose, char(')')),
        value(TokenKind::Comma, char(',')),
        value(TokenKind::Number, digit1),
        value(TokenKind::Name, recognize((take_while1(char::is_alphabetic), take_while(is_name_part)))),
        value(TokenKind::Other, anychar),
    ))
    .parse(text)
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Vec<(TokenKind, &str)> {
        tokens(text).into_iter().map(|token| (token.kind, &text[token.span])).collect()
    }

    #[test]
    fn white_space_only_separates_tokens() {
        use TokenKind::*;
        let expected =
            [(ListOpen, "["), (Name, "FC"), (NumbersOpen, "("), (Number, "32"), (NumbersClose, ")"), (ListClose, "]")];
        assert_eq!(spelled("[FC(32)]"), expected);
        assert_eq!(spelled(" [\tFC\r\n(\u{a0}32 )\u{2003}]\n"), expected);
    }

    #[test]
    fn every_character_that_is_not_white_space_belongs_to_a_token() {
        use TokenKind::*;
        assert_eq!(spelled("-1.5"), [(Other, "-"), (Number, "1"), (Other, "."), (Number, "5")]);
        assert_eq!(spelled("conv_2d{3x3"), [(Name, "conv_2d"), (Other, "{"), (Number, "3"), (Name, "x3")]);
        assert_eq!(spelled("Größe…"), [(Name, "Größe"), (Other, "…")]);
        assert_eq!(spelled(" \n"), []);
    }
}
