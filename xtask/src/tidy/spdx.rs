//! SPDX licence expressions: `MIT OR (Apache-2.0 WITH LLVM-exception AND ISC)`, and the older `MIT/Apache-2.0`.

use std::fmt;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// One licence, with its exception if it has one: `Apache-2.0 WITH LLVM-exception`.
    Licence(String),
    /// `AND`: all of them hold.
    All(Vec<Expression>),
    /// `OR` or `/`: the user chooses.
    Any(Vec<Expression>),
}

/// An expression that does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    expected: &'static str,
    found: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl Expression {
    /// Parses an expression. `AND` binds more tightly than `OR`; `WITH` belongs to the licence before it.
    ///
    /// # Errors
    /// If the text is not an expression.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut tokens = Tokens(text);
        let expression = any(&mut tokens)?;
        match tokens.peek() {
            None => Ok(expression),
            Some(found) => Err(malformed("`OR`, `AND` or the end", Some(found))),
        }
    }

    /// Whether the licences on the list suffice.
    pub(super) fn is_allowed(&self, on_list: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Licence(name) => on_list(name),
            Self::All(parts) => parts.iter().all(|part| part.is_allowed(on_list)),
            Self::Any(parts) => parts.iter().any(|part| part.is_allowed(on_list)),
        }
    }
}

/// The words, parentheses and slashes that are left of a text.
struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn peek(&self) -> Option<&'a str> {
        let rest = self.0.trim_start();
        let end = match rest.chars().next()? {
            '(' | ')' | '/' => 1,
            _ => rest.find(|c: char| c.is_whitespace() || "()/".contains(c)).unwrap_or(rest.len()),
        };
        Some(&rest[..end])
    }

    fn next(&mut self) -> Option<&'a str> {
        let token = self.peek()?;
        self.0 = &self.0.trim_start()[token.len()..];
        Some(token)
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let found = self.peek().is_some_and(|token| words.contains(&token));
        if found {
            self.next();
        }
        found
    }
}

fn any(tokens: &mut Tokens<'_>) -> Result<Expression, Malformed> {
    let mut parts = vec![all(tokens)?];
    while tokens.take(&["OR", "/"]) {
        parts.push(all(tokens)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
}

fn all(tokens: &mut Tokens<'_>) -> Result<Expression, Malformed> {
    let mut parts = vec![one(tokens)?];
    while tokens.take(&["AND"]) {
        parts.push(one(tokens)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
}

fn one(tokens: &mut Tokens<'_>) -> Result<Expression, Malformed> {
    if tokens.take(&["("]) {
        let inner = any(tokens)?;
        return if tokens.take(&[")"]) { Ok(inner) } else { Err(malformed("`)`", tokens.peek())) };
    }
    let licence = word(tokens, "a licence")?;
    if tokens.take(&["WITH"]) {
        let exception = word(tokens, "an exception")?;
        return Ok(Expression::Licence(format!("{licence} WITH {exception}")));
    }
    Ok(Expression::Licence(licence.to_owned()))
}

fn word<'a>(tokens: &mut Tokens<'a>, expected: &'static str) -> Result<&'a str, Malformed> {
    let reserved = ["OR", "AND", "WITH", "(", ")", "/"];
    let token = tokens.peek();
    let found = token.filter(|token| !reserved.contains(token)).ok_or_else(|| malformed(expected, token))?;
    tokens.next();
    Ok(found)
}

fn malformed(expected: &'static str, found: Option<&str>) -> Malformed {
    Malformed { expected, found: found.map_or("the end".to_owned(), |token| format!("`{token}`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str, list: &[&str]) -> bool {
        Expression::parse(text).unwrap().is_allowed(&|name| list.contains(&name))
    }

    #[test]
    fn or_and_the_old_slash_need_one_side() {
        for text in ["MIT OR Apache-2.0", "MIT/Apache-2.0", "MIT / Apache-2.0", "(MIT OR Apache-2.0)"] {
            assert!(allowed(text, &["MIT"]) && allowed(text, &["Apache-2.0"]), "{text}");
            assert!(!allowed(text, &["ISC"]) && !allowed(text, &[]), "{text}");
        }
    }

    #[test]
    fn and_needs_both_sides() {
        assert!(allowed("Apache-2.0 AND ISC", &["Apache-2.0", "ISC"]));
        assert!(!allowed("Apache-2.0 AND ISC", &["ISC"]));
    }

    #[test]
    fn and_binds_more_tightly_than_or_and_parentheses_more_than_both() {
        assert!(allowed("MIT OR GPL-3.0 AND ISC", &["MIT"]));
        assert!(!allowed("(MIT OR GPL-3.0) AND ISC", &["MIT"]));
        assert!(allowed("(MIT OR Apache-2.0) AND Unicode-3.0", &["Apache-2.0", "Unicode-3.0"]));
    }

    #[test]
    fn an_exception_makes_another_licence() {
        let text = "Apache-2.0 WITH LLVM-exception OR GPL-2.0";
        assert!(allowed(text, &["Apache-2.0 WITH LLVM-exception"]));
        assert!(!allowed(text, &["Apache-2.0"]));
        assert_eq!(
            Expression::parse("(A WITH x) AND B"),
            Ok(Expression::All(vec![Expression::Licence("A WITH x".into()), Expression::Licence("B".into())]))
        );
    }

    #[test]
    fn malformed_expressions_say_what_was_expected() {
        for (text, message) in [
            ("", "expected a licence, found the end"),
            ("MIT OR", "expected a licence, found the end"),
            ("MIT AND OR ISC", "expected a licence, found `OR`"),
            ("(MIT", "expected `)`, found the end"),
            ("MIT)", "expected `OR`, `AND` or the end, found `)`"),
            ("MIT ISC", "expected `OR`, `AND` or the end, found `ISC`"),
            ("Apache-2.0 WITH", "expected an exception, found the end"),
        ] {
            assert_eq!(Expression::parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }
}
