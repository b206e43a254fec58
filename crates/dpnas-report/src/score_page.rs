//! The HTML report of a scoring run.

use crate::canvas::escape;
use crate::page::{MISSING, PageText, percent};
use crate::svg::Svg;

/// The report of a scoring run.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ScorePage {
    /// The texts around the rest.
    pub text: PageText,
    /// The pictures, in order.
    pub figures: Vec<ScoreFigure>,
    /// The table: one row for each architecture and training.
    pub rows: Vec<ScoreRow>,
}

/// A picture with its heading and caption.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreFigure {
    /// The heading.
    pub heading: String,
    /// The line below the picture.
    pub caption: String,
    /// The picture.
    pub svg: Svg,
}

/// One row of the table. Accuracies are fractions.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreRow {
    /// The architecture.
    pub net: String,
    /// Its group in the search.
    pub group: String,
    /// Trained part: `random` or `trained` encoder.
    pub training: String,
    /// Draws that were scored.
    pub draws: usize,
    /// Mean reward of the draws.
    pub reward: Option<f64>,
    /// Sample standard deviation of their rewards.
    pub standard_deviation: Option<f64>,
    /// 95 % interval of the mean reward.
    pub interval: Option<(f64, f64)>,
    /// Mean test accuracy.
    pub test_accuracy: Option<f64>,
    /// Reward in the search.
    pub searched: Option<f64>,
}

impl ScorePage {
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
        self.text.document(figures.chain([("Architectures".to_owned(), self.table())]))
    }

    fn table(&self) -> String {
        if self.rows.is_empty() {
            return "<p class=\"note\">No architecture has been scored yet.</p>\n".to_owned();
        }
        let heads = ["Draws", "Mean reward", "Std. deviation", "95 % interval", "Mean test", "In the search"];
        let heads: String = heads.iter().map(|head| format!("<th scope=\"col\" class=\"n\">{head}</th>")).collect();
        let rows: String = self.rows.iter().map(ScoreRow::markup).collect();
        format!(
            "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Architecture</th><th scope=\"col\">Group</th>\
             <th scope=\"col\">Encoder</th>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
        )
    }
}

impl ScoreRow {
    fn markup(&self) -> String {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let fraction = |value| finite(value).map_or_else(|| MISSING.to_owned(), |value| format!("{value:.4}"));
        let interval = match self.interval {
            Some((low, high)) if low.is_finite() && high.is_finite() => format!("{low:.4} – {high:.4}"),
            _ => MISSING.to_owned(),
        };
        let numbers = [
            self.draws.to_string(),
            fraction(self.reward),
            fraction(self.standard_deviation),
            interval,
            finite(self.test_accuracy).map_or_else(|| MISSING.to_owned(), percent),
            fraction(self.searched),
        ];
        let numbers: String = numbers.iter().map(|number| format!("<td class=\"n\">{number}</td>")).collect();
        format!(
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td>{numbers}</tr>\n",
            escape(&self.net),
            escape(&self.group),
            escape(&self.training)
        )
    }
}
