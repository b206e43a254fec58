//! Markdown tables, as `docs/performance.md` has them.

use super::record::{Figures, Row};
use super::summary::Ratios;

/// A table with its first column on the left and the others on the right.
pub(crate) struct Table {
    columns: usize,
    text: String,
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        let text = format!("| {} |\n|---|{}\n", columns.join(" | "), "---:|".repeat(columns.len() - 1));
        Self { columns: columns.len(), text }
    }

    /// Adds a row; cells that are missing are empty.
    pub(crate) fn row(&mut self, mut cells: Vec<String>) {
        cells.resize(self.columns, String::new());
        self.text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }

    pub(crate) fn text(self) -> String {
        self.text
    }
}

/// One table a precision and device, in the order of the rows.
pub(crate) fn tables(rows: &[Row], peak: impl Fn(&str) -> Option<f64>) -> String {
    let mut kinds: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        let kind = (row.device.as_str(), row.precision.as_str());
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let table = |(device, precision): (&str, &str)| {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.device == device && row.precision == precision).collect();
        let engine = rows.iter().find_map(|row| row.ours.as_ref()).map(|ours| ours.engine.as_str());
        let peak = peak(precision).filter(|_| !device.starts_with("cuda"));
        let peak = peak.map(|peak| format!("; peak of the processor {} GFLOP/s", number(peak))).unwrap_or_default();
        format!("{precision} (`{}`{peak}):\n\n{}", engine.unwrap_or(device), one(&rows))
    };
    kinds.into_iter().map(table).collect::<Vec<_>>().join("\n")
}

fn one(rows: &[&Row]) -> String {
    let has_peer = rows.iter().any(|row| row.peer.is_some());
    let mut columns = vec!["net", "GFLOP/image", "images/s", "GFLOP/s", "of peak", "70 epochs s", "MiB"];
    if has_peer {
        columns.extend(["PyTorch images/s", "GFLOP/s", "70 epochs s", "MiB", "encoder ratio", "classifier ratio"]);
    }
    let mut table = Table::new(&columns);
    for row in rows {
        let mut cells = vec![format!("`{}`", row.net), significant(row.gflop_per_image)];
        cells.extend(side(row.ours.as_ref(), |side| Some(percent(side.share_of_peak?))));
        if has_peer {
            let mut peer = side(row.peer.as_ref(), |_| None);
            peer.remove(2);
            cells.extend(peer);
            cells.extend([row.encoder_ratio, row.classifier_ratio].map(|it| it.map(ratio).unwrap_or_default()));
        }
        table.row(cells);
    }
    if let Some((encoder, classifier)) = means(rows) {
        let mut cells = vec![String::new(); columns.len()];
        cells[0] = format!("**geometric mean** (worst {}, {})", ratio(encoder.worst), ratio(classifier.worst));
        cells[columns.len() - 2] = format!("**{}**", ratio(encoder.geomean));
        cells[columns.len() - 1] = format!("**{}**", ratio(classifier.geomean));
        table.row(cells);
    }
    table.text()
}

fn means(rows: &[&Row]) -> Option<(Ratios, Ratios)> {
    let of = |ratio: fn(&Row) -> Option<f64>| Ratios::of(rows.iter().map(|row| ratio(row)));
    of(|row| row.encoder_ratio).zip(of(|row| row.classifier_ratio))
}

/// Images a second, operations a second, share of the peak, seconds of the classifier and memory.
fn side(side: Option<&Figures>, share: impl Fn(&Figures) -> Option<String>) -> Vec<String> {
    let Some(side) = side else { return vec![String::new(); 5] };
    vec![
        number(side.images_per_s),
        number(side.gflops),
        share(side).unwrap_or_default(),
        format!("{:.2}", side.classifier_70_epochs_s),
        side.peak_bytes.map(mebibytes).unwrap_or_default(),
    ]
}

/// A whole number with commas, or one digit below 10.
pub(crate) fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A whole number with commas.
pub(crate) fn whole(value: u64) -> String {
    if value < 10 { value.to_string() } else { number(value as f64) }
}

/// Three digits that count.
pub(crate) fn significant(value: f64) -> String {
    let decimals = if value > 0.0 { (2.0 - value.log10().floor()).clamp(0.0, 6.0) as usize } else { 0 };
    format!("{value:.decimals$}")
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    whole((bytes + (1 << 19)) >> 20)
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn ratio(ratio: f64) -> String {
    format!("{ratio:.2}")
}

#[cfg(test)]
mod tests {
    use super::super::record::fixture::row;
    use super::*;

    #[test]
    fn a_table_has_both_sides_and_ends_with_the_means() {
        let rows = [row("cpu", "f32", Some(2.0), Some(4.0)), row("cpu", "f32", Some(8.0), Some(1.0))];
        let text = tables(&rows, |_| Some(1234.0));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "f32 (`cpu f32`; peak of the processor 1,234 GFLOP/s):");
        assert_eq!(
            lines[4],
            "| `[C(16,3,1,1,1), SM(10)]` | 0.0100 | 2,000 | 20 | 20 % | 7.00 | 64 | 1,000 | 10 | 28.00 | 64 | 2.00 | 4.00 |"
        );
        assert_eq!(
            lines[6],
            "| **geometric mean** (worst 2.00, 1.00) |  |  |  |  |  |  |  |  |  |  | **4.00** | **2.00** |"
        );
        let columns = |line: &str| line.matches('|').count();
        assert!(lines[2..].iter().all(|line| columns(line) == columns(lines[2])), "{text}");
    }

    #[test]
    fn without_a_peer_its_columns_are_left_out() {
        let rows = [row("cpu", "f32", None, None), row("cuda", "f32", None, None)];
        let text = tables(&rows, |_| None);
        assert!(!text.contains("PyTorch") && !text.contains("mean"), "{text}");
        assert!(text.contains("f32 (`cpu f32`):") && text.contains("f32 (`cuda f32`):"), "{text}");
    }

    #[test]
    fn numbers_are_short_and_have_commas() {
        assert_eq!([7.25, 12.4, 999.6, 1234567.0].map(number), ["7.2", "12", "1,000", "1,234,567"]);
        assert_eq!([0.00384, 0.2422, 5.678, 37.7].map(significant), ["0.00384", "0.242", "5.68", "37.7"]);
        assert_eq!([0, 9, 12_345].map(whole), ["0", "9", "12,345"]);
        assert_eq!((mebibytes(300 << 20), percent(0.125).as_str()), ("300".to_owned(), "12 %"));
    }
}
