//! Counts as a reader takes them in.

/// A count in three digits and a prefix: 14,700,000,000 is `14.7 G`; below 10,000 the count itself.
pub(crate) fn short(count: u64) -> String {
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
