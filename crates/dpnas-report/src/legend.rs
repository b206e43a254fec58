//! Arranging the entries of a legend in centred rows.

use crate::font::width;
use crate::style;

/// Length of a sample, space to its text, space between entries, and height of a row.
pub(crate) const SAMPLE: f64 = 26.0;
pub(crate) const SAMPLE_GAP: f64 = 7.0;
const ENTRY_GAP: f64 = 24.0;
pub(crate) const ROW: f64 = 18.0;

/// Offset and row of each entry, every row centred within `room` pixels, and the number of rows.
pub(crate) fn rows<'a>(texts: impl Iterator<Item = &'a str>, room: f64) -> (Vec<(f64, usize)>, usize) {
    let mut rows: Vec<(f64, Vec<f64>)> = Vec::new(); // used width and offsets of each row
    for entry in texts.map(|text| SAMPLE + SAMPLE_GAP + width(text, style::LEGEND)) {
        match rows.last_mut() {
            Some((used, offsets)) if *used + ENTRY_GAP + entry <= room => {
                offsets.push(*used + ENTRY_GAP);
                *used += ENTRY_GAP + entry;
            }
            _ => rows.push((entry, vec![0.0])),
        }
    }
    let centred = rows
        .iter()
        .enumerate()
        .flat_map(|(row, (used, offsets))| offsets.iter().map(move |offset| (offset + (room - used) / 2.0, row)));
    (centred.collect(), rows.len())
}
