//! The compiled-in font: draws texts into a PNG and measures them.

use resvg::usvg::fontdb::Database;
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};
use std::sync::{Arc, LazyLock};

/// DejaVu Sans 2.37, cut down by `font/subset.sh`; licence in `font/LICENSE`.
const FONT: &[u8] = include_bytes!("../font/DejaVuSans-subset.ttf");

/// The value of `font-family`: the compiled-in font, then fonts of browsers that are not wider.
pub(crate) const FAMILY: &str = "'DejaVu Sans', Verdana, Arial, Helvetica, sans-serif";

/// Share of the size that a letter reaches above and below its baseline.
pub(crate) const ASCENT: f64 = 0.93;
pub(crate) const DESCENT: f64 = 0.24;

/// Height of digits and capitals, as a share of the size.
pub(crate) const CAPITAL: f64 = 0.73;

/// The database with the compiled-in font alone.
pub(crate) fn database() -> Arc<Database> {
    static DATABASE: LazyLock<Arc<Database>> = LazyLock::new(|| {
        let mut database = Database::new();
        database.load_font_data(FONT.to_vec());
        database.set_sans_serif_family("DejaVu Sans");
        Arc::new(database)
    });
    Arc::clone(&DATABASE)
}

/// Width of a text at a font size, in pixels. A letter that the font lacks counts as wide as the font's box for it.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    const UNKNOWN: f32 = 0.6;
    let Ok(font) = FontRef::new(FONT) else { return text.chars().count() as f64 * size };
    let (letters, metrics) = (font.charmap(), font.glyph_metrics(Size::new(1.0), LocationRef::default()));
    let advance = |letter| metrics.advance_width(letters.map(letter).unwrap_or_default()).unwrap_or(UNKNOWN);
    text.chars().map(|letter| f64::from(advance(letter))).sum::<f64>() * size
}

/// The text, cut and ended with an ellipsis if it is wider than `most` pixels.
pub(crate) fn fit(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let room = most - width("…", size);
    let mut used = 0.0;
    let kept = text.chars().take_while(|letter| {
        used += width(letter.encode_utf8(&mut [0; 4]), size);
        used <= room
    });
    kept.collect::<String>().trim_end().to_owned() + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_every_letter_of_the_plot() {
        let font = FontRef::new(FONT).unwrap();
        for letter in (' '..='~').chain("ε…–×·é".chars()) {
            assert!(font.charmap().map(letter).is_some(), "{letter:?}");
        }
        assert_eq!(database().len(), 1);
    }

    #[test]
    fn widths_are_those_of_the_font_file() {
        // The advance of every digit is 1303 of 2048 units.
        assert!((width("0123456789", 2048.0) - 13030.0).abs() < 0.5);
        assert_eq!(width("", 12.0), 0.0);
    }

    #[test]
    fn a_text_is_cut_to_its_room() {
        assert_eq!(fit("short", 12.0, 200.0), "short");
        let cut = fit(&"long ".repeat(100), 12.0, 200.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 200.0 && width(&cut, 12.0) > 180.0, "{cut}");
        assert_eq!(fit("x", 12.0, 0.0), "…");
    }
}
