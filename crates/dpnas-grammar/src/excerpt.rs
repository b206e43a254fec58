//! The offending line of a text with carets under the offending part.

use std::fmt;
use std::ops::Range;

/// Widest piece of a line that is shown, in characters.
const WIDTH: usize = 76;
/// Characters shown before the offending part if the line has to be cut.
const BEFORE: usize = 30;
/// Longest quotation inside a message, in characters.
const QUOTE: usize = 32;

/// A piece of one line and the place in it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// Line of the span's start, from 1.
    pub(crate) line: usize,
    /// Character of the span's start in its line, from 1.
    pub(crate) column: usize,
    shown: String,
    indent: usize,
    carets: usize,
}

impl Excerpt {
    /// The place of `span`, which lies on character boundaries of `text`; only its first line is marked.
    pub(crate) fn new(text: &str, span: &Range<usize>) -> Self {
        let (before, after) = text.split_at(span.start);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let before = &before[line_start..];
        // Looks no further than can be shown: the text may be long.
        let after: String = after.chars().take_while(|&c| c != '\n').take(WIDTH + 1).collect();
        let after = after.strip_suffix('\r').unwrap_or(&after);
        let marked = after.char_indices().take_while(|(offset, _)| *offset < span.len());

        let fits = width(before) + width(after) <= WIDTH;
        let (head, mut shown) = if fits || width(before) <= BEFORE { (before, String::new()) } else { cut(before) };
        shown.extend(head.chars().map(escaped));
        let indent = shown.chars().count();
        let mut carets: usize = marked.map(|(_, c)| escaped(c).chars().count()).sum();
        for piece in after.chars().map(escaped) {
            if !fits && shown.chars().count() + piece.chars().count() >= WIDTH {
                carets = carets.min(shown.chars().count() - indent);
                shown.push('…');
                break;
            }
            shown.push_str(&piece);
        }
        let line = text[..line_start].matches('\n').count() + 1;
        Self { line, column: before.chars().count() + 1, shown, indent, carets: carets.max(1) }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, indent, carets, .. } = self;
        write!(f, "    {shown}\n    {:indent$}{:^>carets$}", "", "")
    }
}

/// The text between backticks, escaped and cut to a readable length.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTE).map(escaped).collect();
    if text.chars().nth(QUOTE).is_some() {
        quoted.push('…');
    }
    format!("`{quoted}`")
}

/// The last [`BEFORE`] characters, and the sign that something is missing before them.
fn cut(before: &str) -> (&str, String) {
    let mut room = BEFORE;
    let start = before.char_indices().rev().map_while(|(offset, c)| {
        room = room.checked_sub(escaped(c).chars().count())?;
        Some(offset)
    });
    (&before[start.last().unwrap_or(before.len())..], "…".into())
}

fn width(text: &str) -> usize {
    text.chars().map(|c| escaped(c).chars().count()).sum()
}

/// Printable characters as they are; control, invisible and combining ones as Rust writes them, such as `\u{200b}`.
fn escaped(c: char) -> String {
    match c {
        '\'' | '"' | '\\' => c.into(),
        _ => c.escape_debug().collect(),
    }
}
