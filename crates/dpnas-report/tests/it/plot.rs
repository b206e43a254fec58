//! What the reward plot shows.

use crate::common::{classed, plot, published, search, texts, value};
use dpnas_report::{PlotOptions, RewardPoint, reward_plot};
use roxmltree::Document;
use std::collections::BTreeSet;

#[test]
fn there_is_no_plot_until_more_than_twenty_architectures_have_a_reward() {
    let options = PlotOptions::titled("few");
    let mut points = search(&[(1.0, 20)]);
    assert!(reward_plot(&[], &options).is_none());
    assert!(reward_plot(&points, &options).is_none());
    points.extend([RewardPoint { epsilon: 1.0, reward: 0.0 }; 50]);
    assert!(reward_plot(&points, &options).is_none());
    points.push(RewardPoint { epsilon: 1.0, reward: 0.5 });
    assert!(reward_plot(&points, &options).is_some());
}

#[test]
fn the_window_decides_how_many_rewards_are_needed() {
    let points = search(&[(1.0, 6)]);
    assert!(reward_plot(&points, &PlotOptions { window: 5, ..PlotOptions::titled("") }).is_some());
    assert!(reward_plot(&points, &PlotOptions { window: 6, ..PlotOptions::titled("") }).is_none());
    assert!(reward_plot(&points, &PlotOptions { window: 0, ..PlotOptions::titled("") }).is_some());
}

#[test]
fn rows_without_a_usable_reward_change_nothing() {
    let options = PlotOptions::titled("same");
    let points = search(&[(1.0, 30), (0.5, 10)]);
    let unusable = [0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5];
    let mut mixed: Vec<RewardPoint> = points
        .iter()
        .enumerate()
        .flat_map(|(i, point)| [*point, RewardPoint { reward: unusable[i % unusable.len()], ..*point }])
        .collect();
    mixed.push(RewardPoint { epsilon: f64::NAN, reward: 0.5 });
    assert_eq!(reward_plot(&mixed, &options), reward_plot(&points, &options));
}

#[test]
fn the_picture_names_its_axes_and_explains_its_signs() {
    let svg = plot(&published());
    let document = Document::parse(svg.as_str()).unwrap();
    assert_eq!(texts(&document, "title"), ["A search"]);
    assert_eq!(texts(&document, "x-name"), ["architecture"]);
    assert_eq!(texts(&document, "y-name"), ["reward (validation accuracy)"]);
    assert_eq!(texts(&document, "bar-name"), ["reward of one architecture"]);
    assert_eq!(
        texts(&document, "legend-entry"),
        ["reward of one architecture", "mean of the last 20 rewards", "end of an ε"]
    );
    assert_eq!(texts(&document, "x-tick"), ["0", "500", "1000", "1500", "2000"]);
    assert_eq!(texts(&document, "y-tick"), texts(&document, "bar-tick"));
    assert!(texts(&document, "y-tick").len() >= 4);
}

#[test]
fn each_epsilon_of_the_published_schedule_has_its_line_and_its_label() {
    let svg = plot(&published());
    let document = Document::parse(svg.as_str()).unwrap();
    let expected: Vec<String> = (0..=10).rev().map(|tenth| format!("ε = {:.1}", f64::from(tenth) / 10.0)).collect();
    assert_eq!(texts(&document, "epsilon"), expected);
    let lines = classed(&document, "phase-ends")[0];
    assert!(lines.attribute("stroke-dasharray").is_some());
    assert_eq!(lines.children().filter(|node| node.has_tag_name("path")).count(), 11);
}

#[test]
fn crowded_phases_keep_every_line() {
    let phases: Vec<(f64, usize)> = (0..60).map(|i| (f64::from(i), 3)).collect();
    let svg = plot(&[&[(-1.0, 1500)], &phases[..]].concat());
    let document = Document::parse(svg.as_str()).unwrap();
    let lines = classed(&document, "phase-ends")[0].children().filter(|node| node.has_tag_name("path")).count();
    assert_eq!(lines, 61);
    let labels = texts(&document, "epsilon");
    assert!(labels.len() < 61 && labels.contains(&"ε = 59.0".to_owned()), "{labels:?}");
}

#[test]
fn points_stand_at_their_number_and_their_reward() {
    let rewards = [0.5, 0.6, 0.7, 0.8].into_iter().cycle().take(100);
    let points: Vec<RewardPoint> = rewards.map(|reward| RewardPoint { epsilon: 1.0, reward }).collect();
    let svg = reward_plot(&points, &PlotOptions::titled("")).unwrap();
    let document = Document::parse(svg.as_str()).unwrap();
    let dots: Vec<_> = classed(&document, "points")[0].children().filter(|node| node.has_tag_name("circle")).collect();
    assert_eq!(dots.len(), 100);
    // Ticks are texts next to their place: the axis read by eye must agree with the points.
    for (tick, reward) in [("0.50", 0), ("0.60", 1), ("0.70", 2), ("0.80", 3)] {
        let text = classed(&document, "y-tick").into_iter().find(|node| node.text() == Some(tick)).unwrap();
        let middle = value(text, "y") - 0.365 * value(text, "font-size");
        assert!((value(dots[reward], "cy") - middle).abs() < 0.1, "{tick}");
    }
    for (tick, number) in [("20", 20), ("60", 60), ("100", 100)] {
        let text = classed(&document, "x-tick").into_iter().find(|node| node.text() == Some(tick)).unwrap();
        assert!((value(dots[number - 1], "cx") - value(text, "x")).abs() < 0.1, "{tick}");
    }
}

#[test]
fn the_average_is_a_line_from_the_twentieth_reward_on() {
    let rewards = (0..40).map(|i| if i < 20 { 0.4 } else { 0.8 });
    let points: Vec<RewardPoint> = rewards.map(|reward| RewardPoint { epsilon: 1.0, reward }).collect();
    let svg = reward_plot(&points, &PlotOptions::titled("")).unwrap();
    let document = Document::parse(svg.as_str()).unwrap();
    let dots: Vec<_> = classed(&document, "points")[0].children().filter(|node| node.has_tag_name("circle")).collect();
    let path = classed(&document, "average")[0].first_element_child().unwrap().attribute("d").unwrap();
    let vertices: Vec<(f64, f64)> = path[1..]
        .split('L')
        .map(|pair| pair.split_once(' ').unwrap())
        .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
        .collect();
    assert_eq!(vertices.len(), 21);
    let at = |i: usize| (value(dots[i], "cx"), value(dots[i], "cy"));
    assert_eq!(vertices[0], at(19));
    assert_eq!(vertices[20], at(39));
    // After 30 rewards the mean is half-way between both levels.
    assert!((vertices[10].1 - (at(0).1 + at(39).1) / 2.0).abs() < 0.02);
}

#[test]
fn a_point_has_the_colour_of_its_reward() {
    let svg = plot(&[(1.0, 200)]);
    let points = search(&[(1.0, 200)]);
    let document = Document::parse(svg.as_str()).unwrap();
    let dots: Vec<_> = classed(&document, "points")[0].children().filter(|node| node.has_tag_name("circle")).collect();
    let colours: BTreeSet<&str> = dots.iter().filter_map(|dot| dot.attribute("fill")).collect();
    assert!(colours.len() > 100, "{} colours", colours.len());
    let green = |i: usize| u8::from_str_radix(&dots[i].attribute("fill").unwrap()[3..5], 16).unwrap();
    let order = |i: &usize, j: &usize| points[*i].reward.total_cmp(&points[*j].reward);
    let (lowest, highest) = ((0..200).min_by(order).unwrap(), (0..200).max_by(order).unwrap());
    assert!(green(lowest) < 60 && green(highest) > 200, "{} {}", green(lowest), green(highest));
    assert_eq!(classed(&document, "colour-bar").len(), 1);
}

#[test]
fn equal_and_extreme_rewards_are_drawn() {
    for rewards in [vec![0.8; 30], vec![1.0; 21], vec![1e-90; 21], vec![1e90; 21], [1e-90, 1e90].repeat(15)] {
        let points: Vec<RewardPoint> =
            rewards.iter().map(|reward| RewardPoint { epsilon: 1.0, reward: *reward }).collect();
        let svg = reward_plot(&points, &PlotOptions::titled("")).unwrap();
        assert!(!svg.as_str().contains("NaN") && !svg.as_str().contains("inf"), "{rewards:?}");
        let document = Document::parse(svg.as_str()).unwrap();
        assert!(!texts(&document, "y-tick").is_empty(), "{rewards:?}");
        for dot in classed(&document, "points")[0].children().filter(|node| node.has_tag_name("circle")) {
            assert!((0.0..540.0).contains(&value(dot, "cy")), "{rewards:?}");
        }
    }
}

#[test]
fn no_tick_stands_above_an_accuracy_of_one() {
    let points = [0.2, 1.0].repeat(20).into_iter().map(|reward| RewardPoint { epsilon: 1.0, reward });
    let svg = reward_plot(&points.collect::<Vec<_>>(), &PlotOptions::titled("")).unwrap();
    let ticks = texts(&Document::parse(svg.as_str()).unwrap(), "y-tick");
    assert_eq!(ticks.last().map(String::as_str), Some("1.0"));
}

#[test]
fn a_hundred_thousand_architectures_stay_below_two_megabytes() {
    let phases: Vec<(f64, usize)> = published().into_iter().map(|(epsilon, count)| (epsilon, count * 42)).collect();
    let svg = plot(&phases);
    assert!(svg.as_str().len() < 2_000_000, "{} bytes", svg.as_str().len());
    let document = Document::parse(svg.as_str()).unwrap();
    assert_eq!(texts(&document, "legend-entry")[0], "reward of one architecture (1 in 13 shown)");
    // As many phases as architectures: still a picture of bounded size.
    let worst: Vec<(f64, usize)> = (0..100_000).map(|i| (f64::from(i), 1)).collect();
    let svg = plot(&worst);
    assert!(svg.as_str().len() < 2_000_000, "{} bytes", svg.as_str().len());
}

#[test]
fn markup_in_a_title_stays_text() {
    let title = "<script>alert('&')</script> \u{1b}";
    let svg = reward_plot(&search(&[(1.0, 30)]), &PlotOptions::titled(title)).unwrap();
    assert!(!svg.as_str().contains("<script"));
    let document = Document::parse(svg.as_str()).unwrap();
    assert_eq!(texts(&document, "title"), ["<script>alert('&')</script> \u{fffd}"]);
}

#[test]
fn the_same_rewards_give_the_same_bytes() {
    let (first, second) = (plot(&published()), plot(&published()));
    assert_eq!(first, second);
    assert_eq!(first.to_png(1.0).unwrap(), second.to_png(1.0).unwrap());
}
