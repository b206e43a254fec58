//! The data set that the options name.

use crate::fetching;
use crate::options::DataOptions;
use crate::warnings;
use anyhow::{Context, Result, bail};
use dpnas::data::{ColorMode, DataSet, LimitOrder, LoadConfig, Orientation, Source};
use dpnas::search::Seed;
use std::sync::atomic::AtomicBool;

/// Loads the data set; a known one is fetched on first use. A download ends early when `stop` is set, and keeps its part.
///
/// # Errors
/// If the data set cannot be fetched or read, or an option does not fit it.
pub fn load(options: &DataOptions, stop: &AtomicBool) -> Result<DataSet> {
    let source: Source = options.dataset.parse()?;
    let keeps_size = matches!(source, Source::Digits | Source::Synthetic(_));
    let limit_train = match options.limit_train {
        0 => None,
        1 => bail!("limit-train: 1 leaves nothing to validate on; use at least 2, or 0 for all"),
        limit => Some(limit),
    };
    let parse = |class: &str| class.trim().parse::<u32>().with_context(|| format!("classes: `{class}` is no label"));
    let classes = options.classes.as_deref().map(|text| text.split(',').map(parse).collect::<Result<Vec<_>>>());
    let limit_order = match options.limit_order.as_str() {
        "balanced" => LimitOrder::Balanced(Seed(options.seed)),
        "first" => LimitOrder::First,
        other => bail!("limit-order: `{other}` is unknown; use balanced or first"),
    };
    let orientation = if options.transpose { Orientation::Transposed } else { Orientation::Stored };
    let size = match options.patch_size {
        Some(0) => bail!("patch-size: an image of 0 pixels holds nothing; use for example 28"),
        None if keeps_size => None,
        size => Some(size.unwrap_or(28)),
    };
    if let Source::Known(known) = source {
        fetching::fetch(known, options, stop)?;
    }
    let data_dir = options.data_dir.as_str().into();
    let data = source.load_with(&LoadConfig {
        data_dir,
        classes: classes.transpose()?,
        limit_train,
        limit_order,
        orientation,
        size,
    })?;
    data.warnings().iter().for_each(|warning| warnings::show(&format!("warning: {warning}")));
    let mode = if options.rgb { ColorMode::Rgb } else { ColorMode::Gray };
    Ok(data.to_channels(mode)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(options: &DataOptions) -> String {
        load(options, &AtomicBool::new(false)).unwrap().train.shape().to_string()
    }

    #[test]
    fn digits_keep_their_size_unless_a_patch_size_is_given() {
        let options = DataOptions { limit_train: 20, ..DataOptions::default() };
        assert_eq!(shape(&options), "1x8x8");
        let resized = DataOptions { patch_size: Some(12), rgb: true, ..options };
        assert_eq!(shape(&resized), "3x12x12");
    }
}
