//! The HTML report of a run with pictures and one table.

use crate::canvas::escape;
use crate::page::{Behaviour, PageText};
use crate::svg::Svg;

/// The report of a run: pictures and a table.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TablePage {
    /// The texts around the rest.
    pub text: PageText,
    /// The pictures, in order.
    pub figures: Vec<Figure>,
    /// The heading of the table.
    pub heading: String,
    /// Name and kind of each column.
    pub columns: Vec<(String, Column)>,
    /// The cells of each row.
    pub rows: Vec<Vec<String>>,
}

/// A picture with its heading and caption.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The heading.
    pub heading: String,
    /// The line below the picture.
    pub caption: String,
    /// The picture.
    pub svg: Svg,
}

/// What the cells of a column hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// An architecture or another text of a program.
    Code,
    /// Words.
    Text,
    /// A number, to the right.
    Number,
}

impl TablePage {
    /// A report of texts alone; the fields are public.
    pub fn new(text: PageText) -> Self {
        Self { text, ..Self::default() }
    }

    /// The report as one HTML document without scripts, images or styles from elsewhere; it is also well-formed XML.
    pub fn to_html(&self) -> String {
        let figures = self.figures.iter().map(|figure| {
            let (svg, caption) = (&figure.svg, escape(&figure.caption));
            (figure.heading.clone(), format!("<figure>\n{svg}<figcaption>{caption}</figcaption>\n</figure>\n"))
        });
        self.text.document(Behaviour::Still, figures.chain([(self.heading.clone(), self.table())]))
    }

    fn table(&self) -> String {
        if self.rows.is_empty() {
            return "<p class=\"note\">There is no result yet.</p>\n".to_owned();
        }
        let heads = self.columns.iter().map(|(name, column)| {
            let class = if *column == Column::Number { " class=\"n\"" } else { "" };
            format!("<th scope=\"col\"{class}>{}</th>", escape(name))
        });
        let cell = |(text, (_, column)): (&String, &(String, Column))| match column {
            Column::Code => format!("<td><code>{}</code></td>", escape(text)),
            Column::Text => format!("<td>{}</td>", escape(text)),
            Column::Number => format!("<td class=\"n\">{}</td>", escape(text)),
        };
        let row =
            |row: &Vec<String>| format!("<tr>{}</tr>\n", row.iter().zip(&self.columns).map(cell).collect::<String>());
        format!(
            "<div class=\"wide\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table></div>\n",
            heads.collect::<String>(),
            self.rows.iter().map(row).collect::<String>()
        )
    }
}
