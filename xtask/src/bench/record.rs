//! What the two programs print for an architecture, and what becomes of several rounds of it.

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Epochs of the published classifier, to which seconds are scaled.
pub(crate) const PUBLISHED_EPOCHS: f64 = 70.0;

/// One run of one architecture, as either program prints it; each has further fields.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Printed {
    pub(crate) gflop_per_image: f64,
    pub(crate) features: u64,
    pub(crate) images_per_s: f64,
    pub(crate) encode_gflops: f64,
    pub(crate) probe_s: f64,
    /// Ours: the engine's name.
    #[serde(default)]
    pub(crate) engine: Option<String>,
    /// Ours: the most that the processor does.
    #[serde(default)]
    pub(crate) peak_gflops: Option<f64>,
    /// Ours: what it says of its own memory.
    #[serde(default)]
    pub(crate) peak_bytes: Option<u64>,
    /// The peer's: images that were embedded at once.
    #[serde(default)]
    pub(crate) batch: Option<u64>,
}

impl Printed {
    /// Reads the last line of a program's output.
    ///
    /// # Errors
    /// If it is not what such a program prints.
    pub(crate) fn parse(output: &str) -> anyhow::Result<Self> {
        let line = output.trim().lines().next_back().unwrap_or_default();
        serde_json::from_str(line).with_context(|| format!("no figures in what it printed: `{line}`"))
    }
}

/// One side of a row: the best of its rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) engine: String,
    pub(crate) images_per_s: f64,
    pub(crate) gflops: f64,
    pub(crate) share_of_peak: Option<f64>,
    /// The classifier as it was measured, in seconds.
    pub(crate) probe_s: f64,
    /// The same, scaled to the published number of epochs.
    pub(crate) classifier_70_epochs_s: f64,
    /// The most bytes that the process has had resident.
    pub(crate) peak_bytes: Option<u64>,
    pub(crate) rounds: Vec<Round>,
}

/// What one round gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Round {
    pub(crate) images_per_s: f64,
    pub(crate) probe_s: f64,
}

impl Figures {
    /// The best of several rounds, each figure by itself: what else the machine does only makes one worse.
    pub(crate) fn best(engine: String, rounds: &[(Printed, Option<u64>)], epochs: u32) -> Option<Self> {
        let fastest = rounds.iter().map(|(round, _)| round).max_by(|a, b| a.images_per_s.total_cmp(&b.images_per_s))?;
        let probe_s = rounds.iter().map(|(round, _)| round.probe_s).fold(f64::INFINITY, f64::min);
        let seen = |(round, seen): &(Printed, Option<u64>)| round.peak_bytes.or(*seen);
        Some(Self {
            engine,
            images_per_s: fastest.images_per_s,
            gflops: fastest.encode_gflops,
            share_of_peak: None,
            probe_s,
            classifier_70_epochs_s: probe_s * PUBLISHED_EPOCHS / f64::from(epochs),
            peak_bytes: rounds.iter().filter_map(seen).max(),
            rounds: rounds
                .iter()
                .map(|(round, _)| Round { images_per_s: round.images_per_s, probe_s: round.probe_s })
                .collect(),
        })
    }
}

/// One architecture on one device in one precision, beside the peer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) net: String,
    pub(crate) device: String,
    pub(crate) precision: String,
    pub(crate) gflop_per_image: f64,
    pub(crate) features: u64,
    pub(crate) ours: Option<Figures>,
    pub(crate) peer: Option<Figures>,
    /// Above 1, ours is faster.
    pub(crate) encoder_ratio: Option<f64>,
    pub(crate) classifier_ratio: Option<f64>,
}

impl Row {
    /// Fills in what follows from both sides and from the peak.
    pub(crate) fn compare(&mut self, peak_gflops: Option<f64>) {
        for side in [&mut self.ours, &mut self.peer].into_iter().flatten() {
            side.share_of_peak = peak_gflops.map(|peak| side.gflops / peak);
        }
        let both = self.ours.as_ref().zip(self.peer.as_ref());
        self.encoder_ratio = both.map(|(ours, peer)| ours.images_per_s / peer.images_per_s);
        self.classifier_ratio = both.map(|(ours, peer)| peer.probe_s / ours.probe_s);
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    /// A line as our program prints it.
    pub(crate) const OURS: &str = r#"{"net":"[C(16,3,1,1,1), SM(10)]","engine":"cpu avx2 f32 v1","images":512,"features":3136,"threads":2,"gflop_per_image":0.004,"draw_s":0.1,"load_s":0.1,"calibrate_s":0.1,"calibration_images":256,"encode_s":0.25,"images_per_s":2048.0,"encode_gflops":8.0,"images_per_processor_s":null,"epochs":2,"probe_s":0.5,"peak_gflops":32.0,"peak_bytes":1048576}"#;
    /// A line as the peer prints it.
    pub(crate) const PEER: &str = r#"{"net": "[C(16,3,1,1,1), SM(10)]", "gflop_per_image": 0.004, "features": 3136, "batch": 32, "encode_s": 0.5, "images_per_s": 1024.0, "encode_gflops": 4.0, "probe_s": 2.0, "total_s": 2.5}"#;

    /// A row with these ratios.
    pub(crate) fn row(device: &str, precision: &str, encoder: Option<f64>, classifier: Option<f64>) -> Row {
        let side = |images_per_s, probe_s| Figures {
            engine: format!("{device} {precision}"),
            images_per_s,
            gflops: images_per_s / 100.0,
            share_of_peak: None,
            probe_s,
            classifier_70_epochs_s: 7.0 * probe_s,
            peak_bytes: Some(64 << 20),
            rounds: Vec::new(),
        };
        let mut row = Row {
            net: "[C(16,3,1,1,1), SM(10)]".to_owned(),
            device: device.to_owned(),
            precision: precision.to_owned(),
            gflop_per_image: 0.01,
            features: 3136,
            ours: Some(side(1000.0 * encoder.unwrap_or(1.0), 1.0)),
            peer: encoder.map(|_| side(1000.0, classifier.unwrap_or(1.0))),
            encoder_ratio: None,
            classifier_ratio: None,
        };
        row.compare(Some(100.0));
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_programs_are_read_from_their_last_line() {
        let ours = Printed::parse(&format!("some notice\n{}\n", fixture::OURS)).unwrap();
        assert_eq!(
            (ours.engine.as_deref(), ours.peak_gflops, ours.features),
            (Some("cpu avx2 f32 v1"), Some(32.0), 3136)
        );
        let peer = Printed::parse(fixture::PEER).unwrap();
        assert_eq!((peer.engine, peer.batch, peer.images_per_s), (None, Some(32), 1024.0));
        let error = Printed::parse("Killed\n").unwrap_err().to_string();
        assert_eq!(error, "no figures in what it printed: `Killed`");
        assert!(Printed::parse("").is_err());
    }

    #[test]
    fn each_figure_is_the_best_of_the_rounds_and_memory_the_most() {
        let round = |images_per_s, probe_s, bytes| {
            let printed = Printed::parse(fixture::PEER).unwrap();
            (Printed { images_per_s, probe_s, encode_gflops: images_per_s / 2.0, ..printed }, Some(bytes))
        };
        let best = Figures::best("x".to_owned(), &[round(5.0, 3.0, 10), round(4.0, 2.0, 20)], 10).unwrap();
        assert_eq!((best.images_per_s, best.gflops, best.probe_s), (5.0, 2.5, 2.0));
        assert_eq!((best.classifier_70_epochs_s, best.peak_bytes, best.rounds.len()), (14.0, Some(20), 2));
        assert_eq!(Figures::best("x".to_owned(), &[], 10), None);
    }

    #[test]
    fn ratios_above_one_mean_that_ours_is_faster() {
        let row = fixture::row("cpu", "f32", Some(2.0), Some(4.0));
        assert_eq!((row.encoder_ratio, row.classifier_ratio), (Some(2.0), Some(4.0)));
        assert_eq!(row.ours.and_then(|ours| ours.share_of_peak), Some(0.2));
        assert_eq!(fixture::row("cpu", "f32", None, None).encoder_ratio, None);
    }
}
