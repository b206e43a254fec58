//! The layers of an architecture, with named fields.

use std::fmt;

/// One layer of an architecture.
///
/// Displays as the grammar's token, for example `C(32,5,1,2,1)`.
///
/// # Source
/// SPEC §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// `C(f,k,s,p,1)`: convolution without bias → normalisation → ReLU.
    Conv {
        /// Output channels.
        features: u32,
        /// Kernel size, in pixels.
        kernel: u32,
        /// Stride, in pixels.
        stride: u32,
        /// Zero padding on each side, in pixels.
        padding: u32,
    },
    /// `C(f,3,1,1,0)`: residual block of two 3×3 convolutions that keeps the map's size.
    Residual {
        /// Output channels.
        features: u32,
    },
    /// `P(k,s,0,0)`: max pooling without padding.
    MaxPool {
        /// Window size, in pixels.
        size: u32,
        /// Stride, in pixels.
        stride: u32,
    },
    /// `FC(n)`: fully connected layer → normalisation → ReLU, part of the trained classifier.
    Linear {
        /// Output units.
        units: u32,
    },
    /// `SM(c)`: the bias-free linear classifier; always and only last.
    Softmax {
        /// Number of classes.
        classes: u32,
    },
}

impl Layer {
    /// Whether the layer belongs to the frozen encoder (convolution, residual block, pooling).
    pub const fn is_encoder(&self) -> bool {
        matches!(self, Self::Conv { .. } | Self::Residual { .. } | Self::MaxPool { .. })
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Conv { features, kernel, stride, padding } => {
                write!(f, "C({features},{kernel},{stride},{padding},1)")
            }
            Self::Residual { features } => write!(f, "C({features},3,1,1,0)"),
            Self::MaxPool { size, stride } => write!(f, "P({size},{stride},0,0)"),
            Self::Linear { units } => write!(f, "FC({units})"),
            Self::Softmax { classes } => write!(f, "SM({classes})"),
        }
    }
}
