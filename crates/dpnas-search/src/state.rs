//! States of the search and the actions that lead from one to the next.

use dpnas_grammar::Layer;
use std::fmt;

/// The type of a state's layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LayerKind {
    /// The input image, before any layer.
    Start,
    /// A convolution.
    Conv,
    /// A residual block.
    Residual,
    /// Max pooling.
    MaxPool,
    /// A fully connected layer.
    Linear,
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Start => "start",
            Self::Conv => "convolution",
            Self::Residual => "residual block",
            Self::MaxPool => "max pooling",
            Self::Linear => "fully connected",
        })
    }
}

/// The state of an unfinished architecture: its last layer, its depth and the size of its map.
///
/// Numbers that the kind of layer does not have are 0. Pooling has no features.
///
/// # Source
/// SPEC §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State {
    /// The type of the last layer.
    pub kind: LayerKind,
    /// Depth so far: a convolution adds 1, a residual block 2, a fully connected layer 1, pooling 0, termination 1.
    pub depth: u32,
    /// Output channels of a convolution or residual block; for a fully connected layer its index among those layers.
    pub features: u32,
    /// Kernel or pooling window, in pixels.
    pub kernel: u32,
    /// Stride of the kernel or window, in pixels.
    pub stride: u32,
    /// Zero padding on each side, in pixels.
    pub padding: u32,
    /// Side of the square map after the layer, in pixels; 0 after a fully connected layer.
    pub map_size: u32,
    /// Units of a fully connected layer.
    pub fc_size: u32,
    /// Whether the architecture is finished. A terminal state otherwise copies its predecessor.
    pub terminal: bool,
}

impl State {
    /// The state before the first layer: an image of `map_size` × `map_size` pixels.
    pub(crate) const fn start(map_size: u32) -> Self {
        Self {
            kind: LayerKind::Start,
            depth: 0,
            features: 0,
            kernel: 0,
            stride: 0,
            padding: 0,
            map_size,
            fc_size: 0,
            terminal: false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { kind, depth, features, kernel, stride, padding, map_size, fc_size, terminal } = self;
        write!(f, "{kind}, depth {depth}")?;
        match kind {
            LayerKind::Start => {}
            LayerKind::Conv | LayerKind::Residual => {
                write!(f, ", {features} features, kernel {kernel}, stride {stride}, padding {padding}")?;
            }
            LayerKind::MaxPool => write!(f, ", size {kernel}, stride {stride}")?,
            LayerKind::Linear => write!(f, ", {fc_size} units, index {features}")?,
        }
        if *kind != LayerKind::Linear {
            write!(f, ", map {map_size}x{map_size}")?;
        }
        if *terminal { f.write_str(", terminal") } else { Ok(()) }
    }
}

/// One step of a walk: add a layer, or finish.
///
/// Displays as the grammar's token, for example `C(32,5,1,2,1)`, or as `terminate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Add this layer, which is never [`Layer::Softmax`].
    Layer(Layer),
    /// Finish the architecture with its classifier.
    Terminate,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layer(layer) => layer.fmt(f),
            Self::Terminate => f.write_str("terminate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_print_as_tokens() {
        let conv = Layer::Conv { features: 32, kernel: 5, stride: 1, padding: 2 };
        assert_eq!(Action::Layer(conv).to_string(), "C(32,5,1,2,1)");
        assert_eq!(Action::Terminate.to_string(), "terminate");
    }

    #[test]
    fn states_print_the_numbers_of_their_kind() {
        assert_eq!(State::start(28).to_string(), "start, depth 0, map 28x28");
        let linear = State { kind: LayerKind::Linear, depth: 4, features: 1, fc_size: 64, ..State::start(0) };
        assert_eq!(linear.to_string(), "fully connected, depth 4, 64 units, index 1");
        let end = State { kind: LayerKind::MaxPool, kernel: 2, stride: 2, terminal: true, ..State::start(4) };
        assert_eq!(end.to_string(), "max pooling, depth 0, size 2, stride 2, map 4x4, terminal");
    }
}
