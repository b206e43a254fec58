//! The HTML report.

use crate::common::search;
use dpnas_report::{Baseline, BestNet, Cost, PageText, Relative, SearchPage};
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
    let nets = ["[C(32,3,1,1,0), SM(10)]", "[C(16,3,1,0,1), SM(10)]"].map(str::to_owned);
    report.strategy = "q-learning".to_owned();
    report.rows = search(&[(1.0, 25), (0.5, 5)]).into_iter().zip(nets.iter().cloned().cycle()).collect();
    report.nets =
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
        ["1", "[C(32,3,1,1,0), SM(10)]", "0.9132", "91.74 %", "90.87 %", "12.8 k", "◆ 14.7 G", "–"]
    );
    assert_eq!(texts(&document, "td")[12], "–");
    assert!(texts(&document, "tfoot")[0].contains("linear classifier on raw pixels95.00 %"));
    assert_eq!(texts(&document, "footer"), ["dpnas 0.1.0"]);
    let headings = ["Rewards", "Best reward so far", "Reward and cost", "Best architectures", "Settings"];
    assert_eq!(texts(&document, "h2"), headings);
}

#[test]
fn a_family_names_parents_by_their_number() {
    let mut report = full();
    let relative =
        |net: &str, value, parents: &[usize]| Relative { net: net.to_owned(), value, parents: parents.to_vec() };
    report.family = vec![relative("[C(32,3,1,1,0), SM(10)]", 0.9132, &[])];
    assert!(!report.to_html().contains("Family"), "chance has no family");
    report.family = vec![
        relative("[C(32,3,1,1,0), SM(10)]", 0.9132, &[1, 2]),
        relative("[C(8,3,1,0,1), SM(10)]", 0.5, &[2]),
        relative("[C(16,3,1,0,1), SM(10)]", 0.75, &[]),
    ];
    let html = report.to_html();
    let document = parse(&html);
    let cells = texts(&document, "td");
    let family = cells.iter().position(|cell| cell == "2, 3").unwrap();
    assert_eq!(cells[family - 1], "0.9132");
    assert_eq!(cells[family + 1..family + 5], ["2", "[C(8,3,1,0,1), SM(10)]", "0.5000 at a rung", "3"]);
    assert_eq!(cells[family + 7..family + 9], ["0.7500", "chance"]);
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
    for foreign in ["<link", "<img", "<iframe", "@import", "src="] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    let addresses: Vec<&str> = html.match_indices("http:").map(|(i, _)| &html[i..(i + 26).min(html.len())]).collect();
    assert!(addresses.iter().all(|address| *address == "http://www.w3.org/2000/svg"), "{addresses:?}");
    assert_eq!(html.matches("<script").count(), 1);
    assert!(html.contains("content=\"default-src &#39;none&#39;; style-src &#39;sha256-"));
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

#[test]
fn points_tell_their_architecture() {
    let html = full().to_html();
    let document = parse(&html);
    let points = document.descendants().filter(|node| node.tag_name().name() == "circle");
    let labels: Vec<&str> = points.filter_map(|point| point.first_element_child()?.text()).collect();
    assert_eq!(labels.len(), 32);
    assert!(labels[0].starts_with("architecture 1, ε = 1.0, q-learning\nreward 0."), "{}", labels[0]);
    assert!(labels[0].ends_with(", 14.7 G multiply-adds\n[C(32,3,1,1,0), SM(10)]"), "{}", labels[0]);
    assert!(labels[29].starts_with("architecture 30, ε = 0.5"));
    // A point beside its cost is the first row of its architecture.
    assert_eq!(labels[30..], [labels[1], labels[0]]);
}

#[test]
fn the_front_is_marked_and_listed() {
    let mut report = full();
    let costs = [(0.91, 900), (0.90, 950), (0.89, 30)];
    report.nets = costs
        .map(|(reward, cost)| BestNet { reward, multiply_adds: Some(cost), ..net(&format!("[C({cost},3,1,1,0)]")) })
        .to_vec();
    report.objective = Some(Cost::MultiplyAdds);
    let html = report.to_html();
    let document = parse(&html);
    assert!(texts(&document, "h2").contains(&"Front of reward and multiply-adds".to_owned()));
    let list = ["[C(30,3,1,1,0)]", "[C(900,3,1,1,0)]", "[C(900,3,1,1,0)]", "[C(950,3,1,1,0)]", "[C(30,3,1,1,0)]"];
    assert_eq!(texts(&document, "code"), list);
    assert_eq!(html.matches("◆ 30<").count() + html.matches("◆ 900<").count(), 4);
    assert!(!html.contains("◆ 950"));
}

#[test]
fn few_random_architectures_predict_nothing() {
    let mut report = full();
    assert!(report.to_html().contains("the 25 rewards that this search drew at random"));
    report.rows.drain(..6);
    assert!(!report.to_html().contains("drew at random"));
}

#[test]
fn only_a_running_search_is_loaded_again() {
    let mut report = full();
    assert!(!report.to_html().contains("<body data-reload="));
    report.running = true;
    assert!(report.to_html().contains("<body data-reload=\"5\">\n"));
}

#[test]
fn twenty_thousand_architectures_stay_light() {
    let mut report = full();
    let points = search(&[(1.0, 1_500), (0.5, 18_500)]);
    report.nets = (0..20_000)
        .map(|i| BestNet {
            reward: 1.0 - f64::from(i) / 30_000.0,
            ..net(&format!("[C({i},3,1,1,0), P(2,2,0,0), SM(10)]"))
        })
        .collect();
    report.rows = points.into_iter().zip(report.nets.iter().map(|net| net.net.clone())).collect();
    report.nets[19_999].multiply_adds = Some(7);
    let html = report.to_html();
    assert!(html.len() < 4_000_000, "{} bytes", html.len());
    assert_eq!(texts(&parse(&html), "tr").len(), 1 + 1_001 + 1 + 1, "the best and the cheapest");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_becomes_markup(text in prop_oneof![any::<String>(), Just("<script>alert(1)</script>\"'&".to_owned())]) {
        let mut report = SearchPage::new(PageText::titled(text.clone()));
        report.text.subtitle = text.clone();
        report.text.summary = vec![(text.clone(), text.clone())];
        report.text.settings = vec![(text.clone(), text.clone())];
        report.strategy = text.clone();
        report.rows.extend(search(&[(1.0, 30)]).into_iter().map(|point| (point, text.clone())));
        report.nets = vec![BestNet { reward: f64::NAN, ..net(&text) }, net(&text)];
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
