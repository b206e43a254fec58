//! The HTML document of a report: head, summary, sections, settings.

use crate::canvas::escape;
use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};

/// Stands for an unknown value.
pub(crate) const MISSING: &str = "–";

const STYLE: &str = concat!("\n", include_str!("report.css"));
/// As a comment of the script, the mark of XML keeps the page well-formed.
const SCRIPT: &str = concat!("//<![CDATA[\n", include_str!("report.js"), "//]]>\n");

/// Seconds that a reader rests before the page of a running job is loaded again, and bytes of a page that take another
/// second: showing a large page again costs the machine time.
const RELOAD: usize = 5;
const BYTES: usize = 50_000;

/// What a page does in the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Nothing: it has no script.
    Still,
    /// It tells, sorts and filters.
    Alive,
    /// It also loads itself again, because its file is renewed.
    Renewed,
}

/// The texts of a report around its figures and tables, all escaped on the way out.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PageText {
    /// The heading.
    pub title: String,
    /// A line below the heading; left out if empty.
    pub subtitle: String,
    /// Name and value of the main results, such as the number of architectures.
    pub summary: Vec<(String, String)>,
    /// Name and value of every setting of the run.
    pub settings: Vec<(String, String)>,
    /// A closing line, such as the program and its version; left out if empty.
    pub footer: String,
}

impl PageText {
    /// A heading and no other text; the fields are public.
    pub fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// The whole document around sections of a heading and markup. The browser is told to take neither scripts nor styles
    /// but its own, and to fetch nothing.
    pub(crate) fn document(
        &self,
        behaviour: Behaviour,
        sections: impl IntoIterator<Item = (String, String)>,
    ) -> String {
        let title = escape(&self.title);
        let mut main = format!("<h1>{title}</h1>\n");
        if !self.subtitle.is_empty() {
            main += &format!("<p class=\"subtitle\">{}</p>\n", escape(&self.subtitle));
        }
        if !self.summary.is_empty() {
            let entries = rows(&self.summary, |name, value| format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"));
            main += &format!("<dl class=\"summary\">\n{entries}</dl>\n");
        }
        let settings = (!self.settings.is_empty()).then(|| ("Settings".to_owned(), self.settings_table()));
        for (heading, markup) in sections.into_iter().chain(settings) {
            main += &format!("<section>\n<h2>{}</h2>\n{markup}</section>\n", escape(&heading));
        }
        if !self.footer.is_empty() {
            main += &format!("<footer>{}</footer>\n", escape(&self.footer));
        }
        let (policy, script) = match behaviour {
            Behaviour::Still => (String::new(), String::new()),
            _ => (format!("; script-src {}", checksum(SCRIPT)), format!("<script>{SCRIPT}</script>\n")),
        };
        let reload = match behaviour {
            Behaviour::Renewed => format!(" data-reload=\"{}\"", RELOAD + main.len() / BYTES),
            _ => String::new(),
        };
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; style-src {}{policy}\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body{reload}>\n<main>\n{main}</main>\n{script}</body>\n</html>\n",
            checksum(STYLE)
        )
    }

    fn settings_table(&self) -> String {
        let row = |name: &str, value: &str| format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n");
        let rows = rows(&self.settings, row);
        format!("<div class=\"wide\"><table class=\"settings\">\n<tbody>\n{rows}</tbody>\n</table></div>\n")
    }
}

/// A text as the source of a content security policy, in an attribute.
fn checksum(text: &str) -> String {
    format!("&#39;sha256-{}&#39;", BASE64_STANDARD.encode(Sha256::digest(text)))
}

fn rows(pairs: &[(String, String)], row: impl Fn(&str, &str) -> String) -> String {
    pairs.iter().map(|(name, value)| row(&escape(name), &escape(value))).collect()
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
