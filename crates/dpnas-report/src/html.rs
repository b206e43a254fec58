//! The HTML report of a run: one file, nothing to load.

use crate::canvas::escape;
use crate::svg::Svg;

/// Everything that the report of a run shows; all texts are escaped on the way out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunReport {
    /// The heading.
    pub title: String,
    /// A line below the heading; left out if empty.
    pub subtitle: String,
    /// Name and value of what matters most, such as the number of architectures and the time it took.
    pub summary: Vec<(String, String)>,
    /// The reward plot; without it the report says when there will be one.
    pub plot: Option<Svg>,
    /// The best architectures, best first.
    pub best: Vec<BestNet>,
    /// What the test accuracies are to be compared with.
    pub baseline: Option<Baseline>,
    /// Name and value of every setting of the run.
    pub settings: Vec<(String, String)>,
    /// A closing line, such as the program and its version; left out if empty.
    pub footer: String,
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

/// The test accuracy of something simpler than a searched architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// What was tested, for example "linear classifier on raw pixels".
    pub name: String,
    /// Test accuracy, as a fraction.
    pub test_accuracy: f64,
}

impl RunReport {
    /// A report with a heading and nothing else; the fields are public.
    pub fn titled(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            subtitle: String::new(),
            summary: Vec::new(),
            plot: None,
            best: Vec::new(),
            baseline: None,
            settings: Vec::new(),
            footer: String::new(),
        }
    }

    /// The report as one HTML document without scripts, images or styles from elsewhere; it is also well-formed XML.
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        );
        if !self.subtitle.is_empty() {
            out += &format!("<p class=\"subtitle\">{}</p>\n", escape(&self.subtitle));
        }
        out += &self.summary_html();
        out += &self.plot_html();
        out += &self.best_html();
        out += &self.settings_html();
        if !self.footer.is_empty() {
            out += &format!("<footer>{}</footer>\n", escape(&self.footer));
        }
        out + "</main>\n</body>\n</html>\n"
    }

    fn summary_html(&self) -> String {
        if self.summary.is_empty() {
            return String::new();
        }
        let entry = |(name, value): &(String, String)| {
            format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value))
        };
        format!("<dl class=\"summary\">\n{}</dl>\n", self.summary.iter().map(entry).collect::<String>())
    }

    fn plot_html(&self) -> String {
        match &self.plot {
            Some(svg) => format!(
                "<section>\n<h2>Rewards</h2>\n<figure>\n{svg}<figcaption>Each point is one architecture in the order of \
                 the search, coloured by its reward. Rejected architectures are left out.</figcaption>\n</figure>\n</section>\n"
            ),
            None => {
                "<section>\n<h2>Rewards</h2>\n<p class=\"note\">The plot appears as soon as more than 20 architectures \
                     have a reward above 0.</p>\n</section>\n"
                    .to_owned()
            }
        }
    }

    fn best_html(&self) -> String {
        if self.best.is_empty() {
            return "<section>\n<h2>Best architectures</h2>\n<p class=\"note\">No architecture has been scored yet.</p>\n\
                    </section>\n"
                .to_owned();
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
            "<section>\n<h2>Best architectures</h2>\n<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\" class=\"n\">#</th>\
             <th scope=\"col\">Architecture</th>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n{}</table></div>\n</section>\n",
            baseline.collect::<String>()
        )
    }

    fn settings_html(&self) -> String {
        if self.settings.is_empty() {
            return String::new();
        }
        let row = |(name, value): &(String, String)| {
            format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(name), escape(value))
        };
        let rows: String = self.settings.iter().map(row).collect();
        format!(
            "<section>\n<h2>Settings</h2>\n<div class=\"wide\"><table class=\"settings\">\n<tbody>\n{rows}</tbody>\n\
             </table></div>\n</section>\n"
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

const MISSING: &str = "–";

fn percent(fraction: f64) -> String {
    if fraction.is_finite() { format!("{:.2} %", fraction * 100.0) } else { MISSING.to_owned() }
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

const STYLE: &str = include_str!("report.css");

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

    #[test]
    fn accuracies_read_as_percent() {
        assert_eq!(percent(0.9137), "91.37 %");
        assert_eq!(percent(f64::NAN), MISSING);
    }
}
