//! Markdown tables, as `docs/performance.md` has them.

use super::figures::{Figures, Row, geomean_and_worst};

/// A table with its first column on the left and the others on the right.
pub(crate) struct Table {
    pub(crate) text: String,
}

impl Table {
    pub(crate) fn new(columns: &[impl AsRef<str>]) -> Self {
        let mut table = Self { text: String::new() };
        table.row(columns);
        table.text.push_str(&format!("|---|{}\n", "---:|".repeat(columns.len() - 1)));
        table
    }

    pub(crate) fn row(&mut self, cells: &[impl AsRef<str>]) {
        let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
        self.text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

/// One table a device and precision, in the order of the rows.
pub(crate) fn tables(rows: &[Row], epochs: u32) -> String {
    let kinds = rows.chunk_by(|a, b| (&a.device, &a.precision) == (&b.device, &b.precision));
    kinds.map(|rows| one(rows, epochs)).collect::<Vec<_>>().join("\n")
}

fn one(rows: &[Row], epochs: u32) -> String {
    let has_peer = rows.iter().any(|row| row.peer.is_some());
    let peak = rows.iter().filter_map(|row| row.ours.peak_gflops).reduce(f64::max);
    let mut columns = vec!["net", "GFLOP/image", "images/s", "GFLOP/s", "of peak", "70 epochs s", "MiB"];
    let has_openvino = rows.iter().any(|row| row.openvino_ratio.is_some());
    if has_peer {
        columns.extend(["PyTorch images/s", "GFLOP/s", "70 epochs s", "MiB", "encoder ratio", "classifier ratio"]);
    }
    if has_openvino {
        columns.push("encoder ratio to OpenVINO");
    }
    let mut table = Table::new(&columns);
    let cell = |ratio: Option<f64>| ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    for row in rows {
        let mut cells = vec![format!("`{}`", row.net), significant(row.ours.gflop_per_image)];
        cells.extend(side(&row.ours, epochs));
        let share = peak.map(|peak| format!("{:.0} %", 100.0 * row.ours.encode_gflops / peak));
        cells.insert(4, share.unwrap_or_default());
        if has_peer {
            cells.extend(row.peer.as_ref().map_or_else(|| vec![String::new(); 4], |peer| side(peer, epochs)));
            cells.extend([cell(row.encoder_ratio), cell(row.classifier_ratio)]);
        }
        if has_openvino {
            cells.push(cell(row.openvino_ratio));
        }
        table.row(&cells);
    }
    let encoder = geomean_and_worst(rows.iter().map(|row| row.encoder_ratio));
    let classifier = geomean_and_worst(rows.iter().map(|row| row.classifier_ratio));
    if let Some(((encoder, encoder_worst), (classifier, classifier_worst))) = encoder.zip(classifier) {
        let mut cells = vec![format!("**geometric mean** (worst {encoder_worst:.2}, {classifier_worst:.2})")];
        cells.resize(columns.len() - if has_openvino { 3 } else { 2 }, String::new());
        cells.extend([format!("**{encoder:.2}**"), format!("**{classifier:.2}**")]);
        let openvino = geomean_and_worst(rows.iter().map(|row| row.openvino_ratio));
        cells.extend(openvino.map(|(mean, worst)| format!("**{mean:.2}** (worst {worst:.2})")));
        table.row(&cells);
    }
    let peak = peak.map(|peak| format!("; peak of the processor {} GFLOP/s", number(peak))).unwrap_or_default();
    let engine = rows.iter().find_map(|row| row.ours.engine.as_deref()).unwrap_or_default();
    format!("{} (`{engine}`{peak}):\n\n{}", rows[0].precision, table.text)
}

/// Images a second, operations a second, seconds of 70 epochs and memory.
fn side(side: &Figures, epochs: u32) -> Vec<String> {
    let seconds = side.probe_s * 70.0 / f64::from(epochs);
    let memory = side.peak_bytes.map(mebibytes).unwrap_or_default();
    vec![number(side.images_per_s), number(side.encode_gflops), format!("{seconds:.2}"), memory]
}

/// A whole number with commas, or one digit below 10.
pub(crate) fn number(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { whole(value.round() as u64) }
}

/// A whole number with commas.
pub(crate) fn whole(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that count.
fn significant(value: f64) -> String {
    let decimals = if value > 0.0 { (2.0 - value.log10().floor()).clamp(0.0, 6.0) as usize } else { 0 };
    format!("{value:.decimals$}")
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    whole((bytes + (1 << 19)) >> 20)
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::row;
    use super::*;

    #[test]
    fn a_table_has_both_sides_and_ends_with_the_means() {
        let rows = [row("cpu", "f32", Some(2.0), Some(4.0)), row("cpu", "f32", Some(8.0), Some(1.0))];
        let text = tables(&rows, 10);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "f32 (`cpu avx2 f32 v1`; peak of the processor 32 GFLOP/s):");
        let row = "| `[SM(10)]` | 0.00400 | 2,048 | 8.0 | 25 % | 3.50 | 64 | 1,024 | 4.0 | 14.00 |  | 2.00 | 4.00 |";
        assert_eq!(lines[4], row);
        let means = "| **geometric mean** (worst 2.00, 1.00) |  |  |  |  |  |  |  |  |  |  | **4.00** | **2.00** |";
        assert_eq!(lines[6], means);
    }

    #[test]
    fn without_a_peer_its_columns_are_left_out() {
        let text = tables(&[row("cpu", "f32", None, None), row("cpu", "bf16", None, None)], 10);
        assert!(!text.contains("PyTorch") && !text.contains("mean"), "{text}");
        assert!(text.contains("f32 (`cpu avx2") && text.contains("bf16 (`cpu avx2"), "{text}");
    }

    #[test]
    fn numbers_are_short_and_have_commas() {
        assert_eq!([7.25, 12.4, 999.6, 1234567.0].map(number), ["7.2", "12", "1,000", "1,234,567"]);
        assert_eq!([0.00384, 0.2422, 5.678, 37.7].map(significant), ["0.00384", "0.242", "5.68", "37.7"]);
        assert_eq!((whole(9), mebibytes(300 << 20)), ("9".to_owned(), "300".to_owned()));
    }
}
