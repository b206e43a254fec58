//! The weights of one convolution.

/// Shape and placement of one convolution: a tensor `[out_channels, in_channels, kernel, kernel]` without bias.
///
/// The counts saturate at `u64::MAX`; for the convolutions of a [`Plan`](crate::Plan) they are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Channels of the input.
    pub in_channels: u32,
    /// Channels of the output.
    pub out_channels: u32,
    /// Kernel size, in pixels.
    pub kernel: u32,
    /// Stride, in pixels.
    pub stride: u32,
    /// Zero padding on each side, in pixels.
    pub padding: u32,
}

impl ConvShape {
    /// Number of weights: `out_channels · in_channels · kernel²`.
    pub const fn weights(&self) -> u64 {
        match self.checked_weights() {
            Some(weights) => weights,
            None => u64::MAX,
        }
    }

    /// Inputs of one output: `in_channels · kernel²`.
    pub const fn fan_in(&self) -> u64 {
        self.area().saturating_mul(self.in_channels as u64)
    }

    /// Outputs of one input: `out_channels · kernel²`.
    pub const fn fan_out(&self) -> u64 {
        self.area().saturating_mul(self.out_channels as u64)
    }

    /// Number of weights, or `None` if it does not fit.
    pub(crate) const fn checked_weights(&self) -> Option<u64> {
        // Two u32 factors always fit u64.
        let channels = self.in_channels as u64 * self.out_channels as u64;
        channels.checked_mul(self.area())
    }

    const fn area(&self) -> u64 {
        self.kernel as u64 * self.kernel as u64
    }
}
