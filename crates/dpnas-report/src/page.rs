//! The parts that all HTML reports have: head, summary, sections, settings.

use crate::canvas::escape;

/// What stands where a value is not known.
pub(crate) const MISSING: &str = "–";

const STYLE: &str = include_str!("report.css");

/// A page in the making; all texts are escaped on the way in, unless they are said to be markup.
pub(crate) struct Page(String);

impl Page {
    /// A page with a heading, and a line below it unless that is empty.
    pub(crate) fn new(title: &str, subtitle: &str) -> Self {
        let title = escape(title);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        );
        if !subtitle.is_empty() {
            out += &format!("<p class=\"subtitle\">{}</p>\n", escape(subtitle));
        }
        Self(out)
    }

    /// Names and values side by side; nothing if there are none.
    pub(crate) fn summary(&mut self, pairs: &[(String, String)]) {
        if !pairs.is_empty() {
            let entry = |(name, value): &(String, String)| {
                format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value))
            };
            self.0 += &format!("<dl class=\"summary\">\n{}</dl>\n", pairs.iter().map(entry).collect::<String>());
        }
    }

    /// A section whose content is markup.
    pub(crate) fn section(&mut self, heading: &str, markup: &str) {
        self.0 += &format!("<section>\n<h2>{}</h2>\n{markup}</section>\n", escape(heading));
    }

    /// A table of names and values; nothing if there are none.
    pub(crate) fn settings(&mut self, pairs: &[(String, String)]) {
        if !pairs.is_empty() {
            let row = |(name, value): &(String, String)| {
                format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(name), escape(value))
            };
            let rows: String = pairs.iter().map(row).collect();
            let table =
                format!("<div class=\"wide\"><table class=\"settings\">\n<tbody>\n{rows}</tbody>\n</table></div>\n");
            self.section("Settings", &table);
        }
    }

    /// The finished document, with a closing line unless that is empty.
    pub(crate) fn finish(mut self, footer: &str) -> String {
        if !footer.is_empty() {
            self.0 += &format!("<footer>{}</footer>\n", escape(footer));
        }
        self.0 + "</main>\n</body>\n</html>\n"
    }
}

/// A fraction as a percentage.
pub(crate) fn percent(fraction: f64) -> String {
    if fraction.is_finite() { format!("{:.2} %", fraction * 100.0) } else { MISSING.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracies_read_as_percent() {
        assert_eq!(percent(0.9137), "91.37 %");
        assert_eq!(percent(f64::NAN), MISSING);
    }
}
