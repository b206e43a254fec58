//! Writing SVG elements and escaping text.

use crate::font::FAMILY;
use std::fmt::Write;

/// Where a text's position lies along its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Start,
    Middle,
    End,
}

/// A piece of text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text<'a> {
    /// The element's `class`.
    pub(crate) class: &'a str,
    /// A point on the baseline, in pixels.
    pub(crate) at: (f64, f64),
    pub(crate) size: f64,
    pub(crate) align: Align,
    /// Turn around the point, in degrees clockwise.
    pub(crate) degrees: f64,
    pub(crate) content: &'a str,
}

/// An SVG document in the making.
#[derive(Debug)]
pub(crate) struct Canvas(String);

impl Canvas {
    /// An empty picture with a name and a description for readers who cannot see it.
    pub(crate) fn new(width: u32, height: u32, name: &str, description: &str) -> Self {
        let (name, description) = (escape(name), escape(description));
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"{FAMILY}\">\n\
             <title>{name}</title>\n<desc>{description}</desc>\n"
        ))
    }

    /// Adds markup that needs no escaping.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
        self.0.push('\n');
    }

    /// Opens a group; its `attributes` hold until [`close`](Self::close).
    pub(crate) fn open(&mut self, class: &str, attributes: &str) {
        self.raw(&format!("<g class=\"{class}\" {attributes}>"));
    }

    /// Closes the group that was opened last.
    pub(crate) fn close(&mut self) {
        self.raw("</g>");
    }

    /// A line through all points, in the colours of the group.
    pub(crate) fn path(&mut self, points: &[(f64, f64)]) {
        let mut data = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            let letter = if i == 0 { "M" } else { "L" };
            let _ = write!(data, "{letter}{} {}", number(*x), number(*y)); // a String takes everything
        }
        self.raw(&format!("<path d=\"{data}\"/>"));
    }

    /// A filled circle.
    pub(crate) fn dot(&mut self, at: (f64, f64), radius: f64, colour: &str) {
        self.point(at, radius, colour, "");
    }

    /// A filled circle that tells what it is when it is pointed at, unless the label is empty.
    pub(crate) fn point(&mut self, (x, y): (f64, f64), radius: f64, colour: &str, label: &str) {
        let (x, y, radius) = (number(x), number(y), number(radius));
        let circle = format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{colour}\"");
        self.raw(&match label {
            "" => circle + "/>",
            label => format!("{circle}><title>{}</title></circle>", escape(label)),
        });
    }

    /// A filled rectangle, in the colours of the group.
    pub(crate) fn rectangle(&mut self, (left, top): (f64, f64), (right, bottom): (f64, f64)) {
        let [x, y, width, height] = [left, top, right - left, bottom - top].map(number);
        self.raw(&format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"));
    }

    /// A text, in the colours of the group.
    pub(crate) fn text(&mut self, text: &Text<'_>) {
        let (x, y) = (number(text.at.0), number(text.at.1));
        let anchor = match text.align {
            Align::Start => "start",
            Align::Middle => "middle",
            Align::End => "end",
        };
        let turn = if text.degrees == 0.0 {
            String::new()
        } else {
            format!(" transform=\"rotate({} {x} {y})\"", number(text.degrees))
        };
        let (class, size, content) = (text.class, number(text.size), escape(text.content));
        self.raw(&format!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" font-size=\"{size}\" text-anchor=\"{anchor}\"{turn}>{content}</text>"
        ));
    }

    /// The finished document.
    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

/// A coordinate with at most two decimals.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text as it stands in XML or HTML, between tags or in a quoted attribute; characters that XML forbids become `�`.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(letter),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn coordinates_are_short() {
        for (value, text) in
            [(1.0, "1"), (0.125, "0.12"), (-0.001, "0"), (100.0, "100"), (-2.5, "-2.5"), (10.10, "10.1")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn markup_in_a_text_stays_text() {
        assert_eq!(escape("<b a='\"'>&\u{1b}"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_escaped_text_reads_back_from_xml(text: String) {
            let document = format!("<a b=\"{0}\">{0}</a>", escape(&text));
            let parsed = roxmltree::Document::parse(&document).unwrap();
            let expected: String = text
                .chars()
                .map(|letter| match letter {
                    '\t' | '\n' => letter,
                    _ if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => '\u{fffd}',
                    _ => letter,
                })
                .collect();
            prop_assert_eq!(parsed.root_element().text().unwrap_or_default(), expected);
        }
    }
}
