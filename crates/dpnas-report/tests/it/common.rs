//! Made-up searches and the elements of a plot, for the tests.

use dpnas_report::{PlotOptions, RewardPoint, Svg, reward_plot};
use roxmltree::{Document, Node};

/// Rewards that scatter around 0.7, the same for the same phases of (ε, architectures).
pub(crate) fn search(phases: &[(f64, usize)]) -> Vec<RewardPoint> {
    let mut state = 1u64;
    let epsilons = phases.iter().flat_map(|(epsilon, count)| std::iter::repeat_n(*epsilon, *count));
    epsilons
        .map(|epsilon| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = (state >> 33) as f64 / (1u64 << 31) as f64;
            RewardPoint { epsilon, reward: 0.55 + 0.3 * unit }
        })
        .collect()
}

/// The published schedule: 2,403 architectures under eleven ε.
pub(crate) fn published() -> Vec<(f64, usize)> {
    let middle = (1..10).rev().map(|tenth| (f64::from(tenth) / 10.0, 100));
    [(1.0, 1500)].into_iter().chain(middle).chain([(0.0, 3)]).collect()
}

/// The plot of these phases.
pub(crate) fn plot(phases: &[(f64, usize)]) -> Svg {
    reward_plot(&search(phases), &PlotOptions::titled("A search")).expect("more than 20 rewards")
}

/// All elements with this class, in document order.
pub(crate) fn classed<'a>(document: &'a Document<'a>, class: &str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.attribute("class") == Some(class)).collect()
}

/// The texts of all elements with this class.
pub(crate) fn texts(document: &Document<'_>, class: &str) -> Vec<String> {
    classed(document, class).iter().map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

/// A numeric attribute.
pub(crate) fn value(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} of {node:?}"))
}
