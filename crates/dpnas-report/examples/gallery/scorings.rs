//! Made-up scorings: draws of architectures, and learning curves.

use dpnas_report::{Curve, CurveGroup, CurveKind, CurvesPlot, DrawGroup, Draws, DrawsPlot, NetDraws, Svg};

const NETS: [&str; 6] = [
    "[C(16,3,1,1,1), SM(10)]",
    "[C(32,5,1,2,1), P(4,4,0,0), C(32,3,1,1,0), C(1024,1,1,0,1), C(512,3,1,0,1), SM(10)]",
    "[C(128,7,2,3,1), C(64,3,1,1,0), P(2,2,0,0), SM(10)]",
    "[C(64,3,1,0,1), C(64,3,1,0,1), C(64,3,1,0,1), C(256,1,1,0,1), P(3,3,0,0), C(32,3,1,1,0), C(16,3,1,1,0), SM(10)]",
    "[C(256,5,1,2,1), P(2,2,0,0), C(512,3,1,1,1), P(2,2,0,0), SM(10)]",
    "[C(1024,11,2,5,1), P(2,2,0,0), SM(10)]",
];

/// Every picture by the name of its files.
pub(crate) fn gallery() -> Vec<(&'static str, Option<Svg>)> {
    vec![
        ("draws", draws(5, false).draw()),
        ("draws-trained", draws(5, true).draw()),
        ("draws-once", draws(1, true).draw()),
        ("draws-one-net", one_net().draw()),
        ("curves", curves(18, 3, false).draw()),
        ("curves-few", curves(3, 1, true).draw()),
        ("curves-short", curves(1, 1, true).draw()),
    ]
}

/// Numbers from 0 to 1 that look random.
fn noise(seed: usize) -> f64 {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d;
    state ^= state >> 29;
    state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (state >> 33) as f64 / (1u64 << 31) as f64
}

fn draws_of(mean: f64, spread: f64, count: usize, seed: usize) -> Draws {
    let values: Vec<f64> =
        (0..count).map(|i| (mean + spread * (noise(seed * 100 + i) - 0.5)).clamp(0.0, 0.995)).collect();
    let mean = values.iter().sum::<f64>() / count as f64;
    Draws { interval: (count > 1).then_some((mean - 0.3 * spread, mean + 0.3 * spread)), values }
}

fn draws(count: usize, trained: bool) -> DrawsPlot {
    let mut plot = DrawsPlot::titled("FashionMNIST: rewards of re-drawn weights");
    plot.series = vec![String::from("random encoder")];
    if trained {
        plot.series.push(String::from("trained encoder"));
    }
    let group = |name: &str, from: f64, g: usize| DrawGroup {
        name: name.to_owned(),
        nets: (0..6)
            .map(|i| {
                let (mean, seed) = (from + 0.012 * i as f64, 10 * g + i);
                let mut series = vec![draws_of(mean, 0.03, count, seed)];
                if trained {
                    series.push(draws_of(0.85 + 0.08 * mean, 0.01, count, seed + 50));
                }
                NetDraws { name: NETS[(i + g) % 6].to_owned(), searched: Some(mean + 0.01), series }
            })
            .collect(),
    };
    plot.groups = vec![
        group("low of the search", 0.42, 0),
        group("middle of the search", 0.68, 1),
        group("top of the search", 0.84, 2),
    ];
    plot
}

fn one_net() -> DrawsPlot {
    let mut plot = DrawsPlot::titled("digits");
    plot.series = vec![String::from("random encoder")];
    let nets = vec![NetDraws { name: NETS[0].to_owned(), searched: None, series: vec![draws_of(0.9, 0.05, 20, 3)] }];
    plot.groups = vec![DrawGroup { name: String::new(), nets }];
    plot
}

fn curves(nets: usize, count: usize, every_kind: bool) -> CurvesPlot {
    let mut plot = CurvesPlot::titled("Learning curves of the classifier on random encoders");
    let epochs = if nets == 1 { 6 } else { 70 };
    let curve = |kind, end: f64, seed: usize| {
        let value =
            |e: i32| end * (1.0 - 0.7 * (-0.12 * f64::from(e + 1)).exp()) + 0.01 * noise(seed * 1000 + e as usize);
        Curve::new(kind, (0..epochs).map(value).collect())
    };
    plot.groups = (0..nets)
        .map(|net| {
            let end = 0.4 + 0.55 * net as f64 / nets as f64;
            let mut curves: Vec<Curve> = (0..count)
                .map(|draw| curve(CurveKind::Valid, end + 0.01 * noise(net * 7 + draw), net * 9 + draw))
                .collect();
            if every_kind {
                curves.push(curve(CurveKind::Train, end + 0.03, net + 500));
                curves.push(curve(CurveKind::Test, end - 0.015, net + 700));
            }
            CurveGroup { name: NETS[net % 6].to_owned(), curves }
        })
        .collect();
    plot
}
