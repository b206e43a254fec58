//! Texts never cover each other, and stay inside the picture: boxes as an independent renderer lays them out.

use crate::common::{plot, published, search};
use dpnas_report::{
    Curve, CurveGroup, CurveKind, CurvesPlot, DrawGroup, Draws, DrawsPlot, NetDraws, PlotOptions, Svg, reward_plot,
};
use proptest::prelude::*;
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Group, Node, Options, Transform, Tree};
use std::sync::Arc;

type Corner = (f32, f32);

/// The text and the four corners of every text element, turned as it is drawn.
fn boxes(svg: &Svg) -> Vec<(String, [Corner; 4])> {
    let mut fonts = Database::new();
    fonts.load_font_data(include_bytes!("../../font/DejaVuSans-subset.ttf").to_vec());
    let tree = Tree::from_str(svg.as_str(), &Options { fontdb: Arc::new(fonts), ..Options::default() }).unwrap();
    let mut out = Vec::new();
    collect(tree.root(), &mut out);
    out
}

fn collect(group: &Group, out: &mut Vec<(String, [Corner; 4])>) {
    for node in group.children() {
        match node {
            Node::Group(inner) => collect(inner, out),
            Node::Text(text) => {
                let (area, turn) = (text.bounding_box(), text.abs_transform());
                let corner = |x, y| map(turn, x, y);
                let corners = [
                    corner(area.left(), area.top()),
                    corner(area.right(), area.top()),
                    corner(area.right(), area.bottom()),
                    corner(area.left(), area.bottom()),
                ];
                out.push((text.chunks().iter().map(|chunk| chunk.text()).collect(), corners));
            }
            _ => {}
        }
    }
}

fn map(turn: Transform, x: f32, y: f32) -> Corner {
    (turn.sx * x + turn.kx * y + turn.tx, turn.ky * x + turn.sy * y + turn.ty)
}

/// Whether two rectangles overlap by more than a hair: no side of either separates them.
fn overlap(a: &[Corner; 4], b: &[Corner; 4]) -> bool {
    let axes =
        [a, b].into_iter().flat_map(|area| [0, 1].map(|i| (area[i + 1].0 - area[i].0, area[i + 1].1 - area[i].1)));
    axes.into_iter().all(|(dx, dy)| {
        let length = dx.hypot(dy).max(1e-6);
        let span = |area: &[Corner; 4]| {
            let along = area.map(|(x, y)| (x * dx + y * dy) / length);
            (along.into_iter().fold(f32::MAX, f32::min), along.into_iter().fold(f32::MIN, f32::max))
        };
        let ((a_low, a_high), (b_low, b_high)) = (span(a), span(b));
        a_high.min(b_high) - a_low.max(b_low) > 0.1
    })
}

/// The first two texts that overlap, or the first that leaves the picture.
fn collision(svg: &Svg, width: f32, height: f32) -> Option<String> {
    let boxes = boxes(svg);
    for (i, (text, area)) in boxes.iter().enumerate() {
        if !area.iter().all(|(x, y)| (0.0..=width).contains(x) && (0.0..=height).contains(y)) {
            return Some(format!("`{text}` leaves the picture: {area:?}"));
        }
        if let Some((other, _)) = boxes[i + 1..].iter().find(|(_, other)| overlap(area, other)) {
            return Some(format!("`{text}` and `{other}` overlap"));
        }
    }
    None
}

#[test]
fn the_boxes_of_overlapping_texts_are_seen() {
    let square = |x: f32| [(x, 0.0), (x + 2.0, 0.0), (x + 2.0, 2.0), (x, 2.0)];
    assert!(overlap(&square(0.0), &square(1.0)) && !overlap(&square(0.0), &square(2.5)));
    let diamond = [(4.0, -1.0), (6.0, 1.0), (4.0, 3.0), (2.0, 1.0)];
    assert!(!overlap(&square(0.0), &diamond) && overlap(&square(1.0), &diamond));
    let svg = plot(&published());
    let two_titles = boxes(&svg).iter().filter(|(text, _)| text == "A search").count();
    assert_eq!(two_titles, 1);
    assert!(boxes(&svg).len() > 30);
}

#[test]
fn the_published_schedule_has_no_collision() {
    assert_eq!(collision(&plot(&published()), 960.0, 540.0), None);
}

/// Phases as people and programs make them: some long, some of three architectures, many or few.
fn any_phases() -> impl Strategy<Value = Vec<(f64, usize)>> {
    let length = prop_oneof![3 => Just(3usize), 3 => Just(100), 1 => Just(1500), 9 => 1usize..40];
    let epsilon = prop_oneof![(0u8..=20).prop_map(|i| f64::from(i) / 20.0), 0.0f64..1.0, Just(0.0), Just(-123.456)];
    prop::collection::vec((epsilon, length), 1..50).prop_map(|mut phases| {
        phases[0].1 += 20;
        phases
    })
}

fn any_options() -> impl Strategy<Value = PlotOptions> {
    (prop_oneof![Just(String::new()), "[a-zA-Z ,.]{1,200}"], 1u32..2000, 1u32..1500, 1usize..21)
        .prop_map(|(title, width, height, window)| PlotOptions { title, width, height, window })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_texts_overlap_for_any_schedule(phases in any_phases(), options in any_options()) {
        let svg = reward_plot(&search(&phases), &options).expect("more rewards than the window");
        let (width, height) = (options.width.max(480) as f32, options.height.max(360) as f32);
        prop_assert_eq!(collision(&svg, width, height), None);
    }
}

/// Architectures and headings of any length.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[A-Z(),0-9 ]{1,30}", "[A-Z(),0-9 ]{100,200}"]
}

fn any_draws() -> impl Strategy<Value = Draws> {
    (prop::collection::vec(0.0f64..=1.0, 0..8), prop::option::of((0.0f64..0.5, 0.5f64..1.2)))
        .prop_map(|(values, interval)| Draws { values, interval })
}

fn any_net() -> impl Strategy<Value = NetDraws> {
    (any_name(), prop::option::of(0.0f64..=1.0), prop::collection::vec(any_draws(), 0..4))
        .prop_map(|(name, searched, series)| NetDraws { name, searched, series })
}

fn any_draws_plot() -> impl Strategy<Value = DrawsPlot> {
    let groups = prop::collection::vec((any_name(), prop::collection::vec(any_net(), 0..8)), 1..4);
    (any_name(), any_name(), 1u32..2000, prop::collection::vec("[a-z ]{1,120}", 1..4), groups).prop_map(
        |(title, measure, width, series, groups)| DrawsPlot {
            title,
            measure,
            width,
            series,
            groups: groups.into_iter().map(|(name, nets)| DrawGroup { name, nets }).collect(),
        },
    )
}

fn any_curves_plot() -> impl Strategy<Value = CurvesPlot> {
    let kind = prop_oneof![Just(CurveKind::Valid), Just(CurveKind::Train), Just(CurveKind::Test)];
    let curve = (kind, prop::collection::vec(0.0f64..=1.0, 0..80)).prop_map(|(kind, values)| Curve::new(kind, values));
    let group = (any_name(), prop::collection::vec(curve, 0..4)).prop_map(|(name, curves)| CurveGroup { name, curves });
    (any_name(), 1u32..2000, prop::collection::vec(group, 0..20)).prop_map(|(title, width, groups)| CurvesPlot {
        width,
        groups,
        ..CurvesPlot::titled(title)
    })
}

/// The size of a picture, in pixels.
fn size(svg: &Svg) -> (f32, f32) {
    let document = roxmltree::Document::parse(svg.as_str()).unwrap();
    let side = |name| document.root_element().attribute(name).unwrap().parse().unwrap();
    (side("width"), side("height"))
}

/// The first point or bar that leaves the picture.
fn stray(svg: &Svg) -> Option<String> {
    let (width, height) = size(svg);
    let document = roxmltree::Document::parse(svg.as_str()).unwrap();
    let inside = |node: roxmltree::Node<'_, '_>, x: &str, y: &str| {
        let at = |name| node.attribute(name).and_then(|text| text.parse::<f32>().ok()).unwrap_or(0.0);
        (0.0..=width).contains(&at(x)) && (0.0..=height).contains(&at(y))
    };
    let mut shapes = document.descendants().filter(|node| node.has_tag_name("circle") || node.has_tag_name("rect"));
    shapes.find(|node| !inside(*node, "cx", "cy") || !inside(*node, "x", "y")).map(|node| format!("{node:?}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_texts_overlap_for_any_draws(plot in any_draws_plot()) {
        if let Some(svg) = plot.draw() {
            let (width, height) = size(&svg);
            prop_assert_eq!(collision(&svg, width, height), None);
            prop_assert_eq!(stray(&svg), None);
        }
    }

    #[test]
    fn no_texts_overlap_for_any_curves(plot in any_curves_plot()) {
        if let Some(svg) = plot.draw() {
            let (width, height) = size(&svg);
            prop_assert_eq!(collision(&svg, width, height), None);
            prop_assert_eq!(stray(&svg), None);
        }
    }
}
