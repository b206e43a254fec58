//! Numbers as Python prints them.

/// A number as Python's `repr` prints it; pandas writes this form into CSV files. It has the shortest digits that parse
/// to the same number. Below 0.0001 and from 1e16 on it has an exponent of at least two digits.
pub(crate) fn python_number(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 || !number.is_finite() || (1e-4..1e16).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_written_as_python_writes_them() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.15, "0.15"),
            (71.2, "71.2"),
            (0.1 + 0.2, "0.30000000000000004"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012345"),
            (0.00005, "5e-05"),
            (0.000012345, "1.2345e-05"),
            (-1e-7, "-1e-07"),
            (1.5e-123, "1.5e-123"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
        ];
        for (number, text) in cases {
            assert_eq!(python_number(number), text);
        }
    }

    proptest! {
        #[test]
        fn every_number_reads_back(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
            prop_assert_eq!(python_number(number).parse::<f64>().unwrap().to_bits(), number.to_bits());
        }
    }
}
