//! The contract of a device that trains classifiers on rows that it holds.

use crate::{Epoch, Fitted, ProbeConfig, TrainError};
use std::any::Any;
use std::fmt;
use std::ops::ControlFlow;

/// Trains linear classifiers on a device, on rows that an engine has left there.
pub trait FitEngine: Send + Sync {
    /// Whether the device can train a classifier of this size with these settings.
    fn can_fit(&self, config: &ProbeConfig, classes: u32, features: usize) -> bool;

    /// As [`fit`](crate::fit), with its settings. The numbers differ in rounding; two runs are equal to the bit.
    ///
    /// # Errors
    /// As [`fit`](crate::fit); [`TrainError::Device`] if the device fails or the rows are not its own.
    fn fit(
        &self,
        config: &ProbeConfig,
        classes: u32,
        train: DeviceSet<'_>,
        valid: DeviceSet<'_>,
        test: Option<DeviceSet<'_>>,
        on_epoch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
    ) -> Result<Fitted, TrainError>;
}

/// Rows on a device, of a type that it knows, and their labels.
#[derive(Clone, Copy)]
pub struct DeviceSet<'a> {
    /// The rows.
    pub rows: &'a (dyn Any + Send + Sync),
    /// A label for each row.
    pub labels: &'a [u32],
}

impl fmt::Debug for DeviceSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceSet").field("labels", &self.labels.len()).finish_non_exhaustive()
    }
}
