//! The figures and the report of a scoring.

use crate::common::{classed, texts, value};
use dpnas_report::{
    Column, Curve, CurveGroup, CurveKind, CurvesPlot, DrawGroup, Draws, DrawsPlot, Figure, NetDraws, PageText,
    TablePage,
};
use proptest::prelude::*;
use roxmltree::{Document, ParsingOptions};
use std::collections::BTreeSet;

fn net(name: &str, series: &[&[f64]]) -> NetDraws {
    let draws = |values: &&[f64]| Draws { values: values.to_vec(), interval: None };
    NetDraws { name: name.to_owned(), searched: None, series: series.iter().map(draws).collect() }
}

fn draws(groups: Vec<DrawGroup>) -> DrawsPlot {
    let mut plot = DrawsPlot::titled("Draws");
    plot.series = vec![String::from("random encoder"), String::from("trained encoder")];
    plot.groups = groups;
    plot
}

fn group(name: &str, nets: Vec<NetDraws>) -> DrawGroup {
    DrawGroup { name: name.to_owned(), nets }
}

fn curves(groups: &[(&str, CurveKind, &[f64])]) -> CurvesPlot {
    let mut plot = CurvesPlot::titled("Curves");
    plot.groups = groups
        .iter()
        .map(|(name, kind, values)| CurveGroup {
            name: (*name).to_owned(),
            curves: vec![Curve::new(*kind, values.to_vec())],
        })
        .collect();
    plot
}

#[test]
fn draws_stand_at_their_rewards_a_row_for_each_architecture() {
    let mut first = net("[A]", &[&[0.5, 0.6], &[0.9]]);
    first.searched = Some(0.7);
    first.series[0].interval = Some((0.4, 0.8));
    let plot = draws(vec![group("low", vec![first]), group("top", vec![net("[B]", &[&[0.7], &[]])])]);
    let svg = plot.draw().unwrap();
    let document = Document::parse(svg.as_str()).unwrap();
    assert_eq!(texts(&document, "heading"), ["low", "top"]);
    assert_eq!(texts(&document, "net-name"), ["[A]", "[B]"]);
    let expected = ["random encoder", "trained encoder", "mean with its 95 % interval", "reward in the search"];
    assert_eq!(texts(&document, "legend-entry"), expected);
    let dots: Vec<_> = document.descendants().filter(|node| node.has_tag_name("circle")).collect();
    // Ticks are texts next to their place: the axis read by eye must agree with the points.
    let tick = |text: &str| {
        let tick = classed(&document, "x-tick").into_iter().find(|node| node.text() == Some(text)).unwrap();
        value(tick, "x")
    };
    for (dot, text) in [(0, "0.50"), (1, "0.60"), (2, "0.90"), (3, "0.70")] {
        assert!((value(dots[dot], "cx") - tick(text)).abs() < 0.1, "{text}");
    }
    assert!(value(dots[0], "cy") < value(dots[2], "cy") && value(dots[2], "cy") < value(dots[3], "cy"));
    assert_ne!(dots[0].attribute("fill"), dots[2].attribute("fill"));
    let bar = classed(&document, "interval")[0].first_element_child().unwrap();
    assert!((value(bar, "x") - tick("0.40")).abs() < 0.1);
    assert!((value(bar, "x") + value(bar, "width") - tick("0.80")).abs() < 0.1);
}

#[test]
fn what_is_no_accuracy_is_left_out() {
    assert_eq!(draws(vec![]).draw(), None);
    let nothing: &[f64] = &[f64::NAN, f64::INFINITY, -0.1, 1.1];
    assert_eq!(draws(vec![group("", vec![net("x", &[nothing])])]).draw(), None);
    assert_eq!(curves(&[("x", CurveKind::Valid, nothing), ("y", CurveKind::Test, &[])]).draw(), None);
    let mut mixed = net("x", &[&[f64::NAN, 0.5, 7.0]]);
    mixed.searched = Some(f64::NAN);
    mixed.series[0].interval = Some((f64::NEG_INFINITY, f64::INFINITY));
    let svg = draws(vec![group("", vec![mixed])]).draw().unwrap();
    assert!(!svg.as_str().contains("NaN") && !svg.as_str().contains("inf"), "{svg}");
    let document = Document::parse(svg.as_str()).unwrap();
    let points = classed(&document, "draws")[0].children().filter(|node| node.has_tag_name("circle")).count();
    assert_eq!(points, 1);
    for equal in [0.0, 1.0, 0.5] {
        let svg = draws(vec![group("", vec![net("x", &[&[equal; 3]])])]).draw().unwrap();
        assert!(!svg.as_str().contains("NaN"), "{equal}");
    }
}

#[test]
fn a_curve_goes_through_its_epochs_and_its_kind_has_its_own_stroke() {
    let plot = curves(&[("[A]", CurveKind::Valid, &[0.2, 0.4, 0.6]), ("[B]", CurveKind::Test, &[0.3])]);
    let svg = plot.draw().unwrap();
    let document = Document::parse(svg.as_str()).unwrap();
    assert_eq!(texts(&document, "x-tick"), ["1", "2", "3"]);
    assert_eq!(texts(&document, "legend-entry"), ["validation", "test", "[A]", "[B]"]);
    let path = classed(&document, "validation")[0].first_element_child().unwrap().attribute("d").unwrap();
    let vertices: Vec<f64> =
        path[1..].split('L').map(|pair| pair.split_once(' ').unwrap().0.parse().unwrap()).collect();
    for (tick, x) in classed(&document, "x-tick").into_iter().zip(vertices) {
        assert!((value(tick, "x") - x).abs() < 0.1);
    }
    let test = classed(&document, "test")[0];
    assert!(test.attribute("stroke-dasharray").is_some());
    assert!(test.first_element_child().unwrap().has_tag_name("circle"), "one epoch is a point");
}

#[test]
fn the_legend_of_curves_stands_below_all_of_them() {
    let nets: Vec<String> = (0..18).map(|i| format!("[C({i},3,1,1,1), SM(10)]")).collect();
    let values: Vec<(&str, CurveKind, &[f64])> =
        nets.iter().map(|net| (net.as_str(), CurveKind::Valid, &[0.1, 0.9][..])).collect();
    let svg = curves(&values).draw().unwrap();
    let document = Document::parse(svg.as_str()).unwrap();
    let name = classed(&document, "x-name")[0];
    let entries = classed(&document, "legend-entry");
    assert_eq!(entries.len(), 18);
    assert!(entries.iter().all(|entry| value(*entry, "y") > value(name, "y")));
    let colours: BTreeSet<_> =
        classed(&document, "validation").into_iter().map(|node| node.attribute("stroke").unwrap()).collect();
    assert_eq!(colours.len(), 18);
}

#[test]
fn the_same_scores_give_the_same_bytes_and_a_png() {
    let plot = draws(vec![group("low", vec![net("[A]", &[&[0.5, 0.6], &[0.9]])])]);
    let (first, second) = (plot.draw().unwrap(), plot.draw().unwrap());
    assert_eq!(first, second);
    assert!(first.to_png(1.0).unwrap().starts_with(b"\x89PNG"));
}

fn page(text: &str) -> TablePage {
    let svg = draws(vec![group(text, vec![net(text, &[&[0.5]])])]).draw().unwrap();
    let mut page = TablePage::new(PageText::titled(text));
    page.text.subtitle = text.to_owned();
    page.text.summary = vec![(text.to_owned(), text.to_owned())];
    page.figures = vec![Figure { heading: text.to_owned(), caption: text.to_owned(), svg }];
    page.heading = "Architectures".to_owned();
    page.columns = [Column::Code, Column::Text, Column::Number].map(|column| (text.to_owned(), column)).to_vec();
    page.rows = vec![vec![text.to_owned(), text.to_owned(), "0.6250".to_owned()]];
    page.text.settings = vec![(text.to_owned(), text.to_owned())];
    page.text.footer = text.to_owned();
    page
}

/// The text of every element of one kind.
fn cells(document: &Document<'_>, tag: &str) -> Vec<String> {
    let elements = document.descendants().filter(|node| node.tag_name().name() == tag);
    elements.map(|node| node.descendants().filter(|inner| inner.is_text()).filter_map(|i| i.text()).collect()).collect()
}

fn parse(html: &str) -> Document<'_> {
    Document::parse_with_options(html, ParsingOptions { allow_dtd: true, ..ParsingOptions::default() }).unwrap()
}

#[test]
fn the_report_has_figures_table_and_settings() {
    let html = page("[A]").to_html();
    let document = parse(&html);
    assert_eq!(cells(&document, "h2"), ["[A]", "Architectures", "Settings"]);
    assert_eq!(cells(&document, "td")[..3], ["[A]", "[A]", "0.6250"]);
    assert_eq!(cells(&document, "code"), ["[A]"]);
    assert_eq!(document.descendants().filter(|node| node.tag_name().name() == "svg").count(), 1);
    for foreign in ["<script", "<link", "<img", "@import", "src="] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(TablePage::default().to_html().contains("There is no result yet."));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_of_a_scoring_becomes_markup(
        text in prop_oneof!["\\PC{1,40}", Just("<script>alert(1)</script>\"'&\u{1b}".to_owned())],
    ) {
        // A heading of spaces alone is none. A picture has other ticks where names are wider: its kinds of elements count.
        prop_assume!(!text.trim().is_empty());
        let elements = |html: &str| {
            let document = parse(html);
            let (drawn, written): (Vec<_>, Vec<_>) = document
                .descendants()
                .filter(|node| node.is_element())
                .partition(|node| node.ancestors().any(|outer| outer.tag_name().name() == "svg"));
            let name = |node: &roxmltree::Node<'_, '_>| node.tag_name().name().to_owned();
            (drawn.iter().map(name).collect::<BTreeSet<_>>(), written.iter().map(name).collect::<Vec<_>>())
        };
        prop_assert_eq!(elements(&page(&text).to_html()), elements(&page("plain").to_html()));
        let plot = curves(&[(&text, CurveKind::Valid, &[0.5, 0.6])]).draw().unwrap();
        prop_assert!(!plot.as_str().contains("<script"));
        prop_assert!(Document::parse(plot.as_str()).is_ok());
    }
}
