//! What the architectures of a run share, an option group of `search` and `score`.

use super::group::option_group;
use crate::bytes;
use anyhow::{Context, Result, ensure};

option_group! {
    /// Weights, and the maps that follow from them.
    SharingOptions, SharingFlags, "Shared weights";

    /// `per-search`: all architectures have the seed's weights, so that those with the same first layers share them; or
    /// `per-candidate`: each has weights of its own, which follow from the seed and its text [default: per-search]
    #[arg(value_name = "NAME")]
    draw: String = "per-search".to_owned();
    /// Memory, within the budget, for maps that an architecture leaves to those which begin with the same layers; `auto`:
    /// half of the budget; or `off`. It gives way to what an architecture needs. Without effect where each has its own
    /// weights or is trained in full. Changes no result [default: auto]
    #[arg(value_name = "SIZE|auto|off")]
    prefix_budget: String = bytes::AUTO.to_owned();
    /// Multiply-adds that each byte of a new map must be expected to save, or it is not kept. Changes no result
    /// [default: 400]
    #[arg(value_name = "X", allow_negative_numbers = true)]
    prefix_worth: f64 = dpnas::DeepPriorConfig::PREFIX_WORTH;
}

impl SharingOptions {
    /// Bytes for the maps, within the memory budget.
    ///
    /// # Errors
    /// If it is neither a size nor `auto` nor `off`.
    pub fn prefix_bytes(&self, memory_budget: u64) -> Result<u64> {
        match self.prefix_budget.as_str() {
            bytes::AUTO => Ok(memory_budget / 2),
            "off" => Ok(0),
            size => bytes::parse(size).context("prefix-budget"),
        }
    }

    /// Multiply-adds that a byte of a map must save.
    ///
    /// # Errors
    /// If it is negative or no number.
    pub fn least_worth(&self) -> Result<f64> {
        ensure!(self.prefix_worth >= 0.0, "prefix-worth: {} is no number from 0 on", self.prefix_worth);
        Ok(self.prefix_worth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_of_prefixes_is_a_size_or_a_share_or_nothing() {
        let bytes = |text: &str| {
            let options = SharingOptions { prefix_budget: text.to_owned(), ..SharingOptions::default() };
            options.prefix_bytes(1000).map_err(|error| format!("{error:#}"))
        };
        assert_eq!((bytes("auto"), bytes("off"), bytes("0"), bytes("1KiB")), (Ok(500), Ok(0), Ok(0), Ok(1024)));
        let worth = |prefix_worth| SharingOptions { prefix_worth, ..SharingOptions::default() }.least_worth();
        assert_eq!(worth(32.0).unwrap(), 32.0);
        assert_eq!(worth(-1.0).unwrap_err().to_string(), "prefix-worth: -1 is no number from 0 on");
        assert!(worth(f64::NAN).is_err());
        assert!(bytes("much").unwrap_err().starts_with("prefix-budget: `much` is no size"));
    }
}
