//! Input that is refused, and leaves the statistics as they were.

use crate::{empty, exact, of_all, rows};
use dpnas_heads::{FixedPoint, HeadError, Lambda, LinearHead, Shrinkage, Statistics, lda, nearest_class_mean, ridge};

#[test]
fn refused_rows_change_nothing() {
    for mut statistics in empty(2) {
        statistics.add(&[1.0, 2.0], &[0]).unwrap();
        let before = statistics.clone();
        for (values, labels, message) in [
            (&[1.0, 2.0, 3.0][..], &[0, 0][..], "3 values are not whole rows of 2 features"),
            (&[1.0, 2.0], &[0, 1], "2 labels for 1 rows: each row needs one"),
            (&[1.0, 2.0, 3.0, f32::NAN], &[0, 1], "feature 1 of row 1 is NaN: rows must be finite (both count from 0)"),
            (&[f32::INFINITY, 2.0], &[0], "feature 0 of row 0 is inf: rows must be finite (both count from 0)"),
        ] {
            assert_eq!(statistics.add(values, labels).unwrap_err().to_string(), message);
        }
        assert_eq!(statistics, before);
        assert!(
            statistics.merge(&Statistics::float(3).unwrap()).unwrap_err().to_string().starts_with("3 features where 2")
        );
        let mut more = statistics.emptied();
        more.add(&[1.0, 2.0, 1.0, 2.0], &[0, 0]).unwrap();
        let message = statistics.subtract(&more).unwrap_err().to_string();
        assert_eq!(message, "cannot subtract 2 rows of class 0: the statistics have 1");
        assert_eq!(statistics, before);
        let head = nearest_class_mean(&statistics).unwrap();
        assert_eq!(head.correct(&[1.0, 2.0], &[0, 1]), Err(HeadError::Labels { labels: 2, rows: 1 }));
        assert_eq!(head.predict(&[1.0]), Err(HeadError::Rows { values: 1, features: 2 }));
    }
    let [mut a, b] = empty(2);
    assert_eq!(a.merge(&b), Err(HeadError::Arithmetic));
    let other = Statistics::exact(FixedPoint::uniform(2, 1.0).unwrap());
    assert_eq!(a.subtract(&other), Err(HeadError::Arithmetic));
    assert_eq!(Statistics::float(0), Err(HeadError::NoFeatures));
}

#[test]
fn settings_out_of_range_and_no_rows_are_errors() {
    let [mut statistics, _] = empty(2);
    assert_eq!(nearest_class_mean(&statistics), Err(HeadError::Empty));
    assert_eq!(ridge(&statistics, Lambda::Gcv), Err(HeadError::Empty));
    assert_eq!(of_all(&[1.0, 2.0], 2, &[0]), Err(HeadError::Empty));
    statistics.add(&[1.0, 2.0], &[0]).unwrap();
    for lambda in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let message = ridge(&statistics, Lambda::Fixed(lambda)).unwrap_err().to_string();
        assert!(message.starts_with("λ is ") && message.ends_with("but must be finite and above 0"), "{message}");
    }
    for part in [0.0, 1.5, f64::NAN] {
        assert!(matches!(lda(&statistics, Shrinkage::Fixed(part)), Err(HeadError::Setting { .. })));
    }
}

#[test]
fn clipped_values_are_counted() {
    let mut statistics = Statistics::exact(FixedPoint::uniform(2, 1.0).unwrap());
    statistics.add(&[0.5, 3.0, -7.0, 0.0], &[0, 1]).unwrap();
    assert_eq!(statistics.clipped(), 2);
    let mut twice = statistics.clone();
    twice.merge(&statistics).unwrap();
    assert_eq!(twice.clipped(), 4);
}

#[test]
fn statistics_beyond_the_budget_name_the_features_that_fit() {
    assert_eq!(Statistics::check_budget(1_000, 10, 1 << 30), Ok(()));
    let error = Statistics::check_budget(8_192, 10, 100 << 20).unwrap_err();
    let HeadError::OverBudget { features: 8_192, fitting, .. } = error else { panic!("{error}") };
    assert_eq!(Statistics::check_budget(fitting, 10, 100 << 20), Ok(()));
    assert!(Statistics::check_budget(fitting + 1, 10, 100 << 20).is_err());
    assert!(
        error.to_string().ends_with(&format!(
            "{fitting} features would fit: raise the memory budget, or project the rows to as many"
        ))
    );
    // Sizes that overflow are beyond any budget.
    assert!(Statistics::check_budget(1 << 40, 10, u64::MAX - 1).is_err());
}

#[test]
fn damaged_files_are_errors_wherever_they_are_cut_or_changed() {
    let (values, labels) = rows(8, 20, 5);
    let mut statistics = exact(&values, 5);
    statistics.add(&values, &labels).unwrap();
    let head = ridge(&statistics, Lambda::Gcv).unwrap().head;
    let (statistics, head) = (statistics.to_bytes().unwrap(), head.to_bytes().unwrap());
    assert_eq!(LinearHead::from_bytes(&head).unwrap().to_bytes().unwrap(), head);
    for length in 0..statistics.len() {
        assert!(Statistics::from_bytes(&statistics[..length]).is_err(), "{length}");
    }
    for length in 0..head.len() {
        assert!(LinearHead::from_bytes(&head[..length]).is_err(), "{length}");
    }
    // No changed byte makes it or a head panic; a small change of a sum cannot be noticed.
    for place in 0..statistics.len() {
        let mut changed = statistics.clone();
        changed[place] ^= 0x41;
        if let Ok(mut read) = Statistics::from_bytes(&changed) {
            let _ = read.add(&values, &labels);
            let _ = ridge(&read, Lambda::Gcv);
        }
    }
    // A number of features whose Gram matrix cannot be counted.
    let length = u64::from_le_bytes(statistics[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(statistics[8..8 + length].to_vec()).unwrap();
    let header = header.replace("features\\\":5", "features\\\":9999999999999999999");
    let mut large = (header.len() as u64).to_le_bytes().to_vec();
    large.extend(header.bytes().chain(statistics[8 + length..].iter().copied()));
    let message = Statistics::from_bytes(&large).unwrap_err().to_string();
    assert!(message.contains("9999999999999999999 features"), "{message}");
    let swapped = Statistics::from_bytes(&head).unwrap_err().to_string();
    assert_eq!(swapped, "not the format of this version: it holds a head, not statistics");
    assert!(LinearHead::from_bytes(&statistics).unwrap_err().to_string().contains("statistics, not a head"));
}
