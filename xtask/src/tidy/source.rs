//! Rust source with comments and literals blanked out, so that a search finds code alone.

use super::Tree;
use std::ops::Range;

/// One Rust file of the tree.
pub(crate) struct Source {
    /// Path from the root.
    pub(crate) path: String,
    /// The text as it is.
    pub(crate) text: String,
    /// The text with comments, strings and characters replaced by spaces; as many bytes, the same lines.
    pub(crate) code: String,
    /// Byte ranges of items under `#[cfg(test)]`.
    tests: Vec<Range<usize>>,
}

impl Source {
    /// Reads a text as the file at `path`.
    pub(crate) fn new(path: &str, text: String) -> Self {
        let code = blank(&text);
        let tests = test_items(&code);
        Self { path: path.to_owned(), text, code, tests }
    }

    /// Every Rust file below the folders, without those that belong to a test module.
    pub(crate) fn all<'a>(tree: &Tree, folders: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let paths = folders.into_iter().flat_map(|folder| tree.below(folder)).filter(|path| path.ends_with(".rs"));
        let sources: Vec<Self> = paths.filter_map(|path| Some(Self::new(path, tree.text(path)?))).collect();
        let modules: Vec<String> = sources.iter().flat_map(Self::test_modules).collect();
        let in_tests = |path: &str| {
            modules.iter().any(|module| {
                path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            })
        };
        sources.into_iter().filter(|source| !in_tests(&source.path)).collect()
    }

    /// Byte positions at which `word` stands alone in code outside tests.
    pub(crate) fn outside_tests<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.words(word).filter(|at| !self.tests.iter().any(|range| range.contains(at)))
    }

    /// Byte positions at which `word` stands in code and is no part of a longer name.
    pub(crate) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(word).map(|(at, _)| at).filter(move |at| {
            let before = self.code[..*at].chars().next_back();
            let after = self.code[at + word.len()..].chars().next();
            let joined_before = before.is_some_and(is_name) && word.starts_with(is_name);
            let joined_after = after.is_some_and(is_name) && word.ends_with(is_name);
            !joined_before && !joined_after
        })
    }

    /// The line of a byte position, counted from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// The names of the functions under a `#[test]` attribute, with their positions.
    pub(crate) fn test_functions(&self) -> Vec<&str> {
        let after = |at: usize| {
            let rest = &self.code[at..];
            let name = rest.find("fn ").map(|found| rest[found + 3..].trim_start())?;
            name.split(|c| !is_name(c)).next().filter(|name| !name.is_empty())
        };
        self.code.match_indices("#[test]").filter_map(|(at, _)| after(at)).collect()
    }

    /// The paths, without `.rs`, of modules declared as `#[cfg(test)] mod name;`.
    fn test_modules(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let folder = match stem.rsplit_once('/') {
            Some((folder, "lib" | "main" | "mod")) => folder,
            _ => stem,
        };
        let declared = self.tests.iter().filter_map(|range| {
            let item = self.code[range.clone()].strip_suffix(';')?;
            let (_, name) = item.rsplit_once("mod ")?;
            Some(format!("{folder}/{}", name.trim()))
        });
        declared.collect()
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The ranges of items under an attribute like `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    for (start, _) in code.match_indices("#[cfg(") {
        let Some(condition) = code[start..].split_inclusive(']').next() else { continue };
        let has_test = condition.split(|c| !is_name(c)).any(|word| word == "test");
        if has_test && !condition.contains("not(test)") {
            items.push(start..item_end(code, start + condition.len()));
        }
    }
    items
}

/// The end of the item that begins at `from`: its closing brace, or the semicolon of an item without one.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0usize;
    for (at, c) in code[from..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return from + at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return from + at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Replaces comments, strings and characters by spaces.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let name = rest.len() - rest.trim_start_matches(is_name).len();
        let kept = if literal(rest) > 0 { 0 } else { name.max(c.len_utf8()) };
        let (piece, blanked) = if kept > 0 { (kept, false) } else { (literal(rest), true) };
        for c in rest[..piece].chars() {
            match c {
                '\n' => code.push('\n'),
                c if blanked => code.extend(std::iter::repeat_n(' ', c.len_utf8())),
                c => code.push(c),
            }
        }
        rest = &rest[piece..];
    }
    code
}

/// The length of the comment or literal at the start of the text; 0 if there is none.
fn literal(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('"') || prefix.ends_with('r') && is_raw(rest))
    });
    match prefix {
        Some(prefix) if prefix.ends_with('r') => raw_string(text, prefix.len()),
        Some(prefix) => quoted(text, prefix.len(), '"'),
        None if text.starts_with("b'") => quoted(text, 1, '\''),
        None if text.starts_with('\'') => character(text),
        None => 0,
    }
}

fn is_raw(text: &str) -> bool {
    text.starts_with(['"', '#']) && text.trim_start_matches('#').starts_with('"')
}

fn block_comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0usize);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn raw_string(text: &str, prefix: usize) -> usize {
    let body = text[prefix..].trim_start_matches('#');
    let hashes = text.len() - prefix - body.len();
    let end = format!("\"{}", "#".repeat(hashes));
    let start = prefix + hashes + 1;
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

fn quoted(text: &str, prefix: usize, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(prefix + 1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character literal; 0 for a lifetime or a label.
fn character(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => quoted(text, 0, '\''),
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Fixture;

    fn source(text: &str) -> Source {
        Source::new("crates/one/src/lib.rs", text.to_owned())
    }

    #[test]
    fn comments_and_literals_are_blanked_and_code_stays() {
        for (text, code) in [
            ("a // println!\nb", "a b"),
            ("a /* x /* y */ z */ b", "a b"),
            (r#"f("a\"b", c)"#, "f( , c)"),
            (r##"f(r#"a"b"#, br"x")"##, "f( , )"),
            ("fn f<'a>(x: &'a u8) { 'b' '\\'' b'\"' }", "fn f<'a>(x: &'a u8) { }"),
            ("'outer: loop { break 'outer }", "'outer: loop { break 'outer }"),
            ("\"é\" r#type", "r#type"),
            ("number_r\"x\"", "number_r"),
        ] {
            let source = source(text);
            assert_eq!(source.code.split_whitespace().collect::<Vec<_>>().join(" "), code, "{text}");
            assert_eq!(source.code.len(), text.len(), "{text}");
        }
    }

    #[test]
    fn blanking_keeps_lines_and_length() {
        let text = "let x = \"one\ntwo\"; /* three\nfour */ y";
        let source = source(text);
        assert_eq!(source.code.len(), text.len());
        assert_eq!(source.line(source.code.find('y').unwrap()), 3);
    }

    #[test]
    fn words_are_whole_and_outside_tests() {
        let text = "println!(1); eprintln!(2);\n#[cfg(test)]\nmod tests {\n fn f() { println!(3) }\n}\nprintln!(4);";
        let source = source(text);
        let lines: Vec<usize> = source.outside_tests("println!").map(|at| source.line(at)).collect();
        assert_eq!(lines, [1, 6]);
        assert_eq!(source.words("println!").count(), 3);
    }

    #[test]
    fn conditions_that_need_no_test_are_code() {
        for attribute in ["#[cfg(not(test))]", "#[cfg(feature = \"test\")]", "#[cfg(unix)]"] {
            assert_eq!(source(&format!("{attribute}\nfn f() {{ dbg!(1) }}")).outside_tests("dbg!").count(), 1);
        }
        assert_eq!(source("#[cfg(all(test, unix))]\nfn f() { dbg!(1) }").outside_tests("dbg!").count(), 0);
    }

    #[test]
    fn files_of_a_test_module_are_no_library_code() {
        let fixture = Fixture::new(&[
            ("crates/one/src/lib.rs", "#[cfg(test)]\nmod oracle;\nmod walk;"),
            ("crates/one/src/oracle.rs", ""),
            ("crates/one/src/walk.rs", "#[cfg(test)] mod tests;"),
            ("crates/one/src/walk/tests.rs", ""),
            ("crates/one/src/walk/step.rs", ""),
        ]);
        let paths: Vec<String> =
            Source::all(&fixture.tree, ["crates/one/src"]).into_iter().map(|source| source.path).collect();
        assert_eq!(paths, ["crates/one/src/lib.rs", "crates/one/src/walk.rs", "crates/one/src/walk/step.rs"]);
    }

    #[test]
    fn test_functions_are_named() {
        let text =
            "#[test]\nfn one() {}\n#[test]\n#[should_panic]\npub fn two() {}\nfn three() {}\n// #[test] fn four()";
        assert_eq!(source(text).test_functions(), ["one", "two"]);
    }
}
