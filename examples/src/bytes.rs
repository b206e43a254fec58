//! Numbers of bytes as people write them: `512MiB`, `2GiB`, `1000000`.

use anyhow::{Context, Result, bail};

const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// The program chooses the size.
pub const AUTO: &str = "auto";

/// Before the size that the program chose when a run started.
pub const CHOSEN: &str = "auto:";

/// A number of bytes in whole MiB, rounded down, as [`parse`] reads it.
pub fn mebibytes(bytes: u64) -> String {
    format!("{}MiB", bytes >> 20)
}

/// Reads a number of bytes, with or without a unit.
///
/// # Errors
/// If the text is no number, its unit is unknown or it does not fit 64 bits.
pub fn parse(text: &str) -> Result<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let advice = || format!("`{text}` is no size: write for example 512MiB, 2GiB or a number of bytes");
    let number: u64 = number.parse().with_context(advice)?;
    let factor = match unit.trim() {
        "" | "B" => 1,
        unit => match UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
            Some((_, factor)) => *factor,
            None => bail!(advice()),
        },
    };
    number.checked_mul(factor).with_context(advice)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_have_units_or_not() {
        assert_eq!(parse("2GiB").unwrap(), 2 << 30);
        assert_eq!(parse("512 mib").unwrap(), 512 << 20);
        assert_eq!(parse("1000").unwrap(), 1000);
        assert_eq!(parse("0").unwrap(), 0);
        assert_eq!(parse(&super::mebibytes((5 << 20) + 1)).unwrap(), 5 << 20);
    }

    #[test]
    fn a_wrong_size_says_how_to_write_one() {
        for text in ["", "GiB", "2GB", "-1", "99999999999TiB"] {
            assert!(parse(text).unwrap_err().to_string().contains("512MiB"), "{text}");
        }
    }
}
