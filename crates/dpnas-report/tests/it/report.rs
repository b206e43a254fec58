//! The HTML report.

use crate::common::plot;
use dpnas_report::{Baseline, BestNet, PageText, SearchPage};
use proptest::prelude::*;
use roxmltree::{Document, ParsingOptions};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn net(net: &str) -> BestNet {
    BestNet {
        net: net.to_owned(),
        reward: 0.9132,
        valid_accuracy: 0.9174,
        test_accuracy: Some(0.9087),
        features: Some(12_800),
        multiply_adds: Some(14_700_000_000),
        parameters: None,
    }
}

fn full() -> SearchPage {
    let mut report = SearchPage::new(PageText::titled("Search on digits"));
    report.text.subtitle = "Finished".to_owned();
    report.text.summary = pairs(&[("Architectures", "40"), ("Best reward", "0.9132")]);
    report.plot = Some(plot(&[(1.0, 30)]));
    report.best =
        vec![net("[C(32,3,1,1,0), SM(10)]"), BestNet { test_accuracy: None, ..net("[C(16,3,1,0,1), SM(10)]") }];
    report.baseline = Some(Baseline { name: "linear classifier on raw pixels".to_owned(), test_accuracy: 0.95 });
    report.text.settings = pairs(&[("seed", "7")]);
    report.text.footer = "dpnas 0.1.0".to_owned();
    report
}

/// The report as XML, which is stricter than any browser.
fn parse(html: &str) -> Document<'_> {
    Document::parse_with_options(html, ParsingOptions { allow_dtd: true, ..ParsingOptions::default() }).unwrap()
}

/// The text of every element of one kind, markup inside it left out.
fn texts(document: &Document<'_>, tag: &str) -> Vec<String> {
    let elements = document.descendants().filter(|node| node.tag_name().name() == tag);
    elements
        .map(|node| node.descendants().filter_map(|inner| inner.is_text().then(|| inner.text()).flatten()).collect())
        .collect()
}

#[test]
fn the_report_shows_what_it_was_given() {
    let html = full().to_html();
    let document = parse(&html);
    assert!(html.starts_with("<!DOCTYPE html>\n"));
    assert_eq!(texts(&document, "h1"), ["Search on digits"]);
    assert_eq!(texts(&document, "dt"), ["Architectures", "Best reward"]);
    assert_eq!(texts(&document, "dd"), ["40", "0.9132"]);
    assert_eq!(texts(&document, "code"), ["[C(32,3,1,1,0), SM(10)]", "[C(16,3,1,0,1), SM(10)]"]);
    assert_eq!(
        texts(&document, "td")[..8],
        ["1", "[C(32,3,1,1,0), SM(10)]", "0.9132", "91.74 %", "90.87 %", "12.8 k", "14.7 G", "–"]
    );
    assert_eq!(texts(&document, "td")[12], "–");
    assert!(texts(&document, "tfoot")[0].contains("linear classifier on raw pixels95.00 %"));
    assert_eq!(texts(&document, "footer"), ["dpnas 0.1.0"]);
    assert_eq!(document.descendants().filter(|node| node.tag_name().name() == "svg").count(), 1);
}

#[test]
fn every_row_of_a_table_is_equally_wide() {
    let html = full().to_html();
    let document = parse(&html);
    let rows = document.descendants().filter(|node| node.tag_name().name() == "tr");
    let widths: Vec<usize> = rows.map(|row| row.children().filter(|cell| cell.is_element()).count()).collect();
    assert_eq!(widths, [8, 8, 8, 8, 2]);
}

#[test]
fn the_report_loads_nothing_and_follows_the_reader_into_the_dark() {
    let html = full().to_html();
    for foreign in ["<script", "<link", "<img", "<iframe", "@import", "src="] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    let addresses: Vec<&str> = html.match_indices("http").map(|(i, _)| &html[i..(i + 26).min(html.len())]).collect();
    assert_eq!(addresses, ["http://www.w3.org/2000/svg"]);
    assert!(html.contains("@media (prefers-color-scheme: dark)") && html.contains("tabular-nums"));
}

#[test]
fn a_run_without_results_says_so() {
    let html = SearchPage::default().to_html();
    let document = parse(&html);
    assert_eq!(
        texts(&document, "p"),
        [
            "The plot appears as soon as more than 20 architectures have a reward above 0.",
            "No architecture has been scored yet."
        ]
    );
    assert!(!html.contains("<table") && !html.contains("<svg"));
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    assert_eq!(full().to_html(), full().to_html());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_becomes_markup(text in prop_oneof![any::<String>(), Just("<script>alert(1)</script>\"'&".to_owned())]) {
        let mut report = SearchPage::new(PageText::titled(text.clone()));
        report.text.subtitle = text.clone();
        report.text.summary = vec![(text.clone(), text.clone())];
        report.text.settings = vec![(text.clone(), text.clone())];
        report.best = vec![BestNet { reward: f64::NAN, ..net(&text) }];
        report.baseline = Some(Baseline { name: text.clone(), test_accuracy: f64::INFINITY });
        report.text.footer = text.clone();
        let html = report.to_html();
        let document = parse(&html);
        let tags = |document: &Document<'_>| document.descendants().filter(|node| node.is_element()).count();
        let mut plain = report.clone();
        for place in [&mut plain.text.title, &mut plain.text.subtitle, &mut plain.text.footer] {
            *place = "x".repeat(text.len().min(1));
        }
        let plain = plain.to_html();
        prop_assert_eq!(tags(&document), tags(&parse(&plain)));
        let legible = |letter: char| !letter.is_control() && !matches!(letter, '\u{fffe}' | '\u{ffff}');
        if text.chars().all(legible) {
            prop_assert_eq!(&texts(&document, "h1")[0], &text);
            prop_assert_eq!(&texts(&document, "code")[0], &text);
        }
    }
}
