//! Draws made-up searches of several lengths and scorings, as SVG, PNG and one HTML report, into the folder given as the
//! argument.

use dpnas_report::{Baseline, BestNet, PageText, PlotOptions, RewardPoint, SearchPage, reward_plot};
use std::error::Error;
use std::fs;
use std::path::PathBuf;

mod scorings;

/// Phases of a schedule: ε, number of architectures, mean reward.
type Phases = Vec<(f64, usize, f64)>;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: gallery FOLDER")?);
    fs::create_dir_all(&folder)?;
    let published = vec![
        (1.0, 1500, 0.64),
        (0.9, 100, 0.66),
        (0.8, 100, 0.68),
        (0.7, 100, 0.70),
        (0.6, 100, 0.71),
        (0.5, 100, 0.74),
        (0.4, 100, 0.795),
        (0.3, 100, 0.80),
        (0.2, 100, 0.856),
        (0.1, 100, 0.886),
        (0.0, 3, 0.886),
    ];
    let many: Phases = (0..120).map(|i| (1.0 - f64::from(i) / 120.0, 3 + (i as usize * 7) % 20, 0.7)).collect();
    let endings: Phases =
        [(1.0, 1500, 0.7)].into_iter().chain((0..30).map(|i| (0.3 - f64::from(i) / 100.0, 3, 0.8))).collect();
    let gallery: Vec<(&str, &str, Phases)> = vec![
        ("published", "FashionMNIST, published schedule", published.clone()),
        ("forty", "digits, 40 architectures", vec![(1.0, 16, 0.8), (0.6, 10, 0.85), (0.3, 8, 0.9), (0.0, 6, 0.94)]),
        ("least", "digits, 21 architectures", vec![(1.0, 21, 0.8)]),
        ("short", "glyphs, schedule 1.0:40,0.5:20,0.1:20", vec![(1.0, 40, 0.6), (0.5, 20, 0.7), (0.1, 20, 0.78)]),
        ("many", "120 phases", many),
        ("endings", "thirty phases of 3 at the end", endings),
        ("long", "100,000 architectures", published.iter().map(|(e, n, m)| (*e, n * 42, *m)).collect()),
    ];
    for (name, title, phases) in gallery {
        let points = search(&phases);
        let plot = reward_plot(&points, &PlotOptions::titled(title)).ok_or("too few points")?;
        fs::write(folder.join(name).with_extension("svg"), plot.as_str())?;
        fs::write(folder.join(name).with_extension("png"), plot.to_png(2.0)?)?;
        if name == "published" {
            fs::write(folder.join("report.html"), report(&points).to_html())?;
        }
    }
    for (name, plot) in scorings::gallery() {
        let plot = plot.ok_or("nothing to draw")?;
        fs::write(folder.join(name).with_extension("svg"), plot.as_str())?;
        fs::write(folder.join(name).with_extension("png"), plot.to_png(2.0)?)?;
    }
    Ok(())
}

/// Rewards that scatter below and around the phases' means, the more the larger ε.
fn search(phases: &Phases) -> Vec<RewardPoint> {
    let mut state = 12345u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    let mut points = Vec::new();
    for (epsilon, count, mean) in phases {
        for _ in 0..*count {
            let spread = 0.02 + 0.12 * epsilon;
            let noise = uniform() + uniform() + uniform() - 1.5;
            let low = if uniform() < 0.06 * epsilon { 0.3 * uniform() } else { 0.0 };
            let reward = (mean + spread * noise - low).clamp(0.1, 0.99);
            points.push(RewardPoint { epsilon: *epsilon, reward });
        }
    }
    points
}

fn report(points: &[RewardPoint]) -> SearchPage {
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let net = |i: usize, point: &RewardPoint| {
        let (width, maps) = (8 << (i % 6), 16 << (i * 7 % 5));
        BestNet {
            net: format!("[C({width},5,1,2,1), P(4,4,0,0), C({maps},3,1,1,0), C({},1,1,0,1), SM(10)]", 16 + i),
            reward: point.reward,
            valid_accuracy: point.reward + 0.004,
            test_accuracy: (!i.is_multiple_of(9)).then_some(point.reward - 0.006),
            features: Some(49 * (16 + i as u64)),
            multiply_adds: Some(784 * width * (25 + 9 * maps) + 49 * maps * i as u64),
            parameters: Some(width * (25 + 9 * maps) + maps * i as u64 + 490 * (16 + i as u64)),
        }
    };
    let mut nets: Vec<BestNet> = points.iter().enumerate().map(|(i, point)| net(i, point)).collect();
    let mut report = SearchPage::new(PageText::titled("Deep-prior search on FashionMNIST"));
    report.text.subtitle = "Finished: the schedule is complete.".to_owned();
    report.text.summary = text(&[
        ("Architectures", "2,403"),
        ("Rejected", "411"),
        ("Best reward", "0.9132"),
        ("Best test accuracy", "90.9 %"),
        ("Time", "5 h 12 min"),
    ]);
    report.strategy = "q-learning".to_owned();
    report.rows = points.iter().zip(&nets).map(|(point, net)| (*point, net.net.clone())).collect();
    nets.sort_by(|a, b| b.reward.total_cmp(&a.reward));
    report.nets = nets;
    report.baseline = Some(Baseline { name: "linear classifier on raw pixels".to_owned(), test_accuracy: 0.8432 });
    report.text.settings = text(&[
        ("dataset", "fashion-mnist"),
        ("schedule", "paper"),
        ("epochs", "70"),
        ("learning-rate", "0.001"),
        ("seed", "7"),
    ]);
    report.text.footer = format!("dpnas {}", env!("CARGO_PKG_VERSION"));
    report
}
