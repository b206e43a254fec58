//! Figures of one architecture, ours and the peer's, and the summary of many.

use super::peer::Peer;
use super::training::{self, TrainingRow};
use serde::{Deserialize, Serialize};

/// What either program prints of an architecture; each prints more.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Figures {
    pub(crate) gflop_per_image: f64,
    pub(crate) images_per_s: f64,
    pub(crate) encode_gflops: f64,
    /// The classifier, in seconds.
    pub(crate) probe_s: f64,
    /// The peak memory of the process; neither program prints it.
    pub(crate) peak_bytes: Option<u64>,
    /// Ours.
    #[serde(default)]
    pub(crate) engine: Option<String>,
    /// Ours: the peak of the processor.
    #[serde(default)]
    pub(crate) peak_gflops: Option<f64>,
    /// The peer's: images that it embedded at once.
    #[serde(default)]
    pub(crate) batch: Option<u64>,
}

impl Figures {
    /// The best of both, figure by figure: other work on the machine only makes one worse.
    pub(crate) fn or_better(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        let (probe_s, bytes) = (self.probe_s.min(other.probe_s), self.peak_bytes.max(other.peak_bytes));
        let peak_gflops = [self.peak_gflops, other.peak_gflops].into_iter().flatten().reduce(f64::max);
        let faster = if self.images_per_s >= other.images_per_s { self } else { other };
        Self { probe_s, peak_bytes: bytes, peak_gflops, ..faster }
    }
}

/// One architecture on one device in one precision.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) net: String,
    pub(crate) device: String,
    pub(crate) precision: String,
    pub(crate) ours: Figures,
    pub(crate) peer: Option<Figures>,
    /// Above 1, ours is faster.
    pub(crate) encoder_ratio: Option<f64>,
    pub(crate) classifier_ratio: Option<f64>,
    /// Of the encoders, beside OpenVINO.
    pub(crate) openvino_ratio: Option<f64>,
}

/// Ours over the peer, on device `cpu`: above 1 is faster, `null` without a peer or a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) encoder_f32_geomean: Option<f64>,
    pub(crate) encoder_f32_worst: Option<f64>,
    pub(crate) encoder_bf16_geomean: Option<f64>,
    pub(crate) encoder_bf16_worst: Option<f64>,
    /// Of the rows in `f32`, or in `bf16` where there are no others.
    pub(crate) classifier_geomean: Option<f64>,
    pub(crate) openvino_f32_geomean: Option<f64>,
    pub(crate) openvino_f32_worst: Option<f64>,
    pub(crate) openvino_bf16_geomean: Option<f64>,
    pub(crate) openvino_bf16_worst: Option<f64>,
    pub(crate) training_geomean: Option<f64>,
    pub(crate) training_worst: Option<f64>,
}

impl Summary {
    pub(crate) fn of(rows: &[Row], training: &[TrainingRow]) -> Self {
        let of =
            |precision: &'static str| rows.iter().filter(move |row| row.device == "cpu" && row.precision == precision);
        let encoder = |precision| geomean_and_worst(of(precision).map(|row| row.encoder_ratio)).unzip();
        let precision = if of("f32").next().is_some() { "f32" } else { "bf16" };
        let ((encoder_f32_geomean, encoder_f32_worst), (encoder_bf16_geomean, encoder_bf16_worst)) =
            (encoder("f32"), encoder("bf16"));
        let classifier_geomean = geomean_and_worst(of(precision).map(|row| row.classifier_ratio)).map(|(mean, _)| mean);
        let openvino = |precision| geomean_and_worst(of(precision).map(|row| row.openvino_ratio)).unzip();
        let ((openvino_f32_geomean, openvino_f32_worst), (openvino_bf16_geomean, openvino_bf16_worst)) =
            (openvino("f32"), openvino("bf16"));
        let (training_geomean, training_worst) = training::summary(training).unzip();
        Self {
            encoder_f32_geomean,
            encoder_f32_worst,
            encoder_bf16_geomean,
            encoder_bf16_worst,
            classifier_geomean,
            openvino_f32_geomean,
            openvino_f32_worst,
            openvino_bf16_geomean,
            openvino_bf16_worst,
            training_geomean,
            training_worst,
        }
    }
}

/// `None` if there is no ratio, or one is missing: the mean of the others would be of other architectures.
pub(crate) fn geomean_and_worst(ratios: impl Iterator<Item = Option<f64>>) -> Option<(f64, f64)> {
    let ratios = ratios.collect::<Option<Vec<f64>>>().filter(|ratios| !ratios.is_empty())?;
    let logarithm = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64;
    Some((logarithm.exp(), ratios.iter().copied().fold(f64::INFINITY, f64::min)))
}

/// What `--json` writes.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) host: &'a super::host::Host,
    pub(crate) peer: Option<&'a Peer>,
    /// The options of both programs.
    pub(crate) options: &'a [String],
    pub(crate) summary: Summary,
    pub(crate) rows: &'a [Row],
    pub(crate) training: &'a [TrainingRow],
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Lines as the two programs print them.
    pub(crate) const OURS: &str = r#"{"net":"[SM(10)]","engine":"cpu avx2 f32 v1","features":3136,"gflop_per_image":0.004,"images_per_s":2048.0,"encode_gflops":8.0,"probe_s":0.5,"peak_gflops":32.0}"#;
    pub(crate) const PEER: &str = r#"{"net": "[SM(10)]", "gflop_per_image": 0.004, "features": 3136, "batch": 32, "encode_s": 0.5, "images_per_s": 1024.0, "encode_gflops": 4.0, "probe_s": 2.0, "total_s": 2.5}"#;

    /// A row with these ratios.
    pub(crate) fn row(device: &str, precision: &str, encoder: Option<f64>, classifier: Option<f64>) -> Row {
        let figures = |line| serde_json::from_str::<Figures>(line).unwrap();
        Row {
            net: "[SM(10)]".to_owned(),
            device: device.to_owned(),
            precision: precision.to_owned(),
            ours: Figures { peak_bytes: Some(64 << 20), ..figures(OURS) },
            peer: encoder.map(|_| figures(PEER)),
            encoder_ratio: encoder,
            classifier_ratio: classifier,
            openvino_ratio: None,
        }
    }

    #[test]
    fn each_figure_is_the_best_of_the_rounds_and_memory_the_most() {
        let round = |images_per_s, probe_s, bytes| Figures {
            images_per_s,
            probe_s,
            encode_gflops: images_per_s / 2.0,
            peak_bytes: Some(bytes),
            ..serde_json::from_str(OURS).unwrap()
        };
        let best = round(4.0, 2.0, 20).or_better(Some(round(5.0, 3.0, 10)));
        assert_eq!((best.images_per_s, best.encode_gflops, best.probe_s, best.peak_bytes), (5.0, 2.5, 2.0, Some(20)));
        assert_eq!(best.peak_gflops, Some(32.0));
    }

    #[test]
    fn means_are_geometric_and_of_device_cpu_alone() {
        let rows = [
            row("cpu", "f32", Some(2.0), Some(1.0)),
            row("cpu", "f32", Some(8.0), Some(16.0)),
            row("flex", "f32", Some(0.1), Some(0.1)),
            row("cpu", "bf16", Some(3.0), Some(100.0)),
        ];
        let summary = Summary::of(&rows, &[]);
        let close = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 1e-9;
        assert!(close(summary.encoder_f32_geomean, 4.0) && close(summary.encoder_f32_worst, 2.0));
        assert!(close(summary.encoder_bf16_geomean, 3.0) && close(summary.encoder_bf16_worst, 3.0));
        assert!(close(summary.classifier_geomean, 4.0));
        assert!(close(Summary::of(&rows[3..], &[]).classifier_geomean, 100.0));
    }

    #[test]
    fn a_missing_ratio_makes_every_mean_of_it_null() {
        let rows = [row("cpu", "f32", Some(2.0), Some(1.0)), row("cpu", "f32", None, None)];
        let json = serde_json::to_string(&Summary::of(&rows, &[])).unwrap();
        let fields: Vec<(String, Option<f64>)> = serde_json::from_str::<serde_json::Map<_, _>>(&json)
            .unwrap()
            .into_iter()
            .map(|(n, v)| (n, v.as_f64()))
            .collect();
        assert!(fields.len() == 11 && fields.iter().all(|(_, value)| value.is_none()), "{json}");
    }
}
