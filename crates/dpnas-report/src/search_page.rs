//! The HTML report of a search: one file, nothing to load.

use crate::canvas::escape;
use crate::page::{MISSING, PageText, percent};
use crate::svg::Svg;

/// The report of a search.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SearchPage {
    /// The texts around the rest.
    pub text: PageText,
    /// The reward plot; without it the report says when there will be one.
    pub plot: Option<Svg>,
    /// The best architectures, best first.
    pub best: Vec<BestNet>,
    /// A test accuracy to compare with.
    pub baseline: Option<Baseline>,
}

/// One architecture of the table of the best.
#[derive(Clone, Debug, PartialEq)]
pub struct BestNet {
    /// The architecture string.
    pub net: String,
    /// Mean of the last five validation accuracies, as a fraction.
    pub reward: f64,
    /// Best validation accuracy of all epochs, as a fraction.
    pub valid_accuracy: f64,
    /// Test accuracy after the last epoch, as a fraction, if it is known.
    pub test_accuracy: Option<f64>,
    /// Features that the encoder gives to the classifier.
    pub features: Option<u64>,
    /// Multiply-adds of one image.
    pub multiply_adds: Option<u64>,
    /// Weights of encoder and classifier.
    pub parameters: Option<u64>,
}

/// The test accuracy of a simpler model.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// Its name, for example "linear classifier on raw pixels".
    pub name: String,
    /// Test accuracy, as a fraction.
    pub test_accuracy: f64,
}

impl SearchPage {
    /// A report of texts alone; the fields are public.
    pub fn new(text: PageText) -> Self {
        Self { text, ..Self::default() }
    }

    /// The report as one HTML document without scripts, images or styles from elsewhere; it is also well-formed XML.
    pub fn to_html(&self) -> String {
        let sections = [("Rewards", self.plot_html()), ("Best architectures", self.best_html())];
        self.text.document(sections.map(|(heading, markup)| (heading.to_owned(), markup)))
    }

    fn plot_html(&self) -> String {
        match &self.plot {
            Some(svg) => format!(
                "<figure>\n{svg}<figcaption>Each point is one architecture in the order of the search, coloured by its \
                 reward. Rejected architectures are left out.</figcaption>\n</figure>\n"
            ),
            None => {
                "<p class=\"note\">The plot appears as soon as more than 20 architectures have a reward above 0.</p>\n"
                    .to_owned()
            }
        }
    }

    fn best_html(&self) -> String {
        if self.best.is_empty() {
            return "<p class=\"note\">No architecture has been scored yet.</p>\n".to_owned();
        }
        let heads = ["Reward", "Validation", "Test", "Features", "Multiply-adds", "Parameters"];
        let heads: String = heads.iter().map(|head| format!("<th scope=\"col\" class=\"n\">{head}</th>")).collect();
        let rows: String = self.best.iter().enumerate().map(|(i, net)| net.row(i + 1)).collect();
        let baseline = self.baseline.iter().map(|baseline| {
            format!(
                "<tfoot><tr><td></td><th scope=\"row\">{}</th><td></td><td></td><td class=\"n\">{}</td><td></td><td></td><td></td></tr></tfoot>\n",
                escape(&baseline.name),
                percent(baseline.test_accuracy)
            )
        });
        format!(
            "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\" class=\"n\">#</th>\
             <th scope=\"col\">Architecture</th>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n{}</table></div>\n",
            baseline.collect::<String>()
        )
    }
}

impl BestNet {
    fn row(&self, rank: usize) -> String {
        let reward = if self.reward.is_finite() { format!("{:.4}", self.reward) } else { MISSING.to_owned() };
        let test = self.test_accuracy.map_or_else(|| MISSING.to_owned(), percent);
        let counts = [self.features, self.multiply_adds, self.parameters].map(|value| match value {
            Some(value) => format!("<td class=\"n\" title=\"{value}\">{}</td>", short(value)),
            None => format!("<td class=\"n\">{MISSING}</td>"),
        });
        format!(
            "<tr><td class=\"n\">{rank}</td><td><code>{}</code></td><td class=\"n\">{reward}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{test}</td>{}</tr>\n",
            escape(&self.net),
            percent(self.valid_accuracy),
            counts.concat()
        )
    }
}

/// A count in three digits and a prefix: 14,700,000,000 is `14.7 G`; below 10,000 the count itself.
fn short(count: u64) -> String {
    if count < 10_000 {
        return count.to_string();
    }
    let mut value = count as f64;
    for prefix in ["k", "M", "G", "T", "P", "E"] {
        value /= 1000.0;
        // 999.5 would read as 1000: the next prefix takes it.
        if value < 999.5 || prefix == "E" {
            let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
            return format!("{value:.decimals$} {prefix}");
        }
    }
    count.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_in_three_digits() {
        for (count, text) in [
            (0, "0"),
            (9_999, "9999"),
            (10_000, "10.0 k"),
            (12_345, "12.3 k"),
            (999_499, "999 k"),
            (999_500, "1.00 M"),
            (3_770_000, "3.77 M"),
            (14_700_000_000, "14.7 G"),
            (u64::MAX, "18.4 E"),
        ] {
            assert_eq!(short(count), text);
        }
    }
}
