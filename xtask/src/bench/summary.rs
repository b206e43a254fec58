//! The figures that are aimed at: geometric means and worst cases of device `cpu` beside the peer.

use super::record::Row;
use serde::Serialize;

/// Ours over the peer: above 1 is faster, `null` where there is no row or one lacks a side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) encoder_f32_geomean: Option<f64>,
    pub(crate) encoder_f32_worst: Option<f64>,
    pub(crate) encoder_bf16_geomean: Option<f64>,
    pub(crate) encoder_bf16_worst: Option<f64>,
    /// Of the rows of `f32`, or of `bf16` where those were not asked for.
    pub(crate) classifier_geomean: Option<f64>,
}

impl Summary {
    /// The summary of all rows.
    pub(crate) fn of(rows: &[Row]) -> Self {
        let of = |precision: &str, ratio: fn(&Row) -> Option<f64>| {
            let rows = rows.iter().filter(|row| row.device == "cpu" && row.precision == precision);
            Ratios::of(rows.map(ratio))
        };
        let (f32, bf16) = (of("f32", |row| row.encoder_ratio), of("bf16", |row| row.encoder_ratio));
        let has_f32 = rows.iter().any(|row| row.device == "cpu" && row.precision == "f32");
        let classifier = of(if has_f32 { "f32" } else { "bf16" }, |row| row.classifier_ratio);
        Self {
            encoder_f32_geomean: f32.map(|ratios| ratios.geomean),
            encoder_f32_worst: f32.map(|ratios| ratios.worst),
            encoder_bf16_geomean: bf16.map(|ratios| ratios.geomean),
            encoder_bf16_worst: bf16.map(|ratios| ratios.worst),
            classifier_geomean: classifier.map(|ratios| ratios.geomean),
        }
    }
}

/// What becomes of a column of ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratios {
    pub(crate) geomean: f64,
    pub(crate) worst: f64,
}

impl Ratios {
    /// `None` if there is none, or one is missing: the mean of the others would be of other architectures.
    pub(crate) fn of(ratios: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let ratios = ratios.collect::<Option<Vec<f64>>>().filter(|ratios| !ratios.is_empty())?;
        let logarithm = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64;
        Some(Self { geomean: logarithm.exp(), worst: ratios.iter().copied().fold(f64::INFINITY, f64::min) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::fixture::row;
    use super::*;

    #[test]
    fn means_are_geometric_and_of_device_cpu_alone() {
        let rows = [
            row("cpu", "f32", Some(2.0), Some(1.0)),
            row("cpu", "f32", Some(8.0), Some(16.0)),
            row("flex", "f32", Some(0.1), Some(0.1)),
            row("cpu", "bf16", Some(3.0), Some(100.0)),
        ];
        let summary = Summary::of(&rows);
        let close = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 1e-9;
        assert!(close(summary.encoder_f32_geomean, 4.0) && close(summary.encoder_f32_worst, 2.0));
        assert!(close(summary.encoder_bf16_geomean, 3.0) && close(summary.encoder_bf16_worst, 3.0));
        assert!(close(summary.classifier_geomean, 4.0));
        assert!(close(Summary::of(&rows[3..]).classifier_geomean, 100.0));
    }

    #[test]
    fn without_a_peer_or_a_precision_every_figure_is_null() {
        let json = serde_json::to_string(&Summary::of(&[row("cpu", "f32", None, None)])).unwrap();
        assert_eq!(
            json,
            "{\"encoder_f32_geomean\":null,\"encoder_f32_worst\":null,\"encoder_bf16_geomean\":null,\
             \"encoder_bf16_worst\":null,\"classifier_geomean\":null}"
        );
        assert_eq!(Summary::of(&[]).classifier_geomean, None);
    }

    #[test]
    fn a_mean_of_fewer_architectures_than_were_asked_for_is_none() {
        let rows = [row("cpu", "f32", Some(2.0), Some(1.0)), row("cpu", "f32", None, None)];
        assert_eq!(Summary::of(&rows).encoder_f32_geomean, None);
    }
}
