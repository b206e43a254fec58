//! A complete architecture: layers in an order that can be built.

use crate::Layer;
use std::fmt;

/// Most layers of a net, the final `SM` included.
///
/// # Source
/// SPEC §2.
pub const MAX_LAYERS: usize = 64;

/// An architecture: encoder layers, then fully connected layers, then exactly one `SM`.
///
/// Displays as the canonical text, which parses to the same net and is its identity:
///
/// ```
/// use dpnas_grammar::Net;
///
/// let net: Net = "[ C(32, 5, 1, 2, 1),P(4,4,0,0), SM(10) ]".parse()?;
/// assert_eq!(net.to_string(), "[C(32,5,1,2,1), P(4,4,0,0), SM(10)]");
/// assert_eq!((net.encoder().len(), net.classes()), (2, 10));
/// # Ok::<(), dpnas_grammar::ParseError>(())
/// ```
///
/// # Source
/// SPEC §2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Net {
    layers: Vec<Layer>,
}

impl Net {
    /// A net of these layers.
    ///
    /// # Errors
    /// If there are no layers or more than [`MAX_LAYERS`], if their order is not encoder → `FC` → one `SM`, or if a
    /// number other than a padding is 0.
    pub fn new(layers: Vec<Layer>) -> Result<Self, NetError> {
        check(&layers)?;
        match layers.last() {
            None => Err(NetError::Empty),
            Some(Layer::Softmax { .. }) => Ok(Self { layers }),
            Some(&layer) => Err(NetError::MissingSoftmax { index: layers.len() - 1, layer }),
        }
    }

    /// All layers, in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The frozen part: convolutions, residual blocks and pooling layers, in order.
    pub fn encoder(&self) -> &[Layer] {
        self.layers.split_at(self.layers.partition_point(Layer::is_encoder)).0
    }

    /// Units of the fully connected layers of the classifier, in order.
    pub fn linear_units(&self) -> impl Iterator<Item = u32> + '_ {
        self.layers.iter().filter_map(|layer| match *layer {
            Layer::Linear { units } => Some(units),
            _ => None,
        })
    }

    /// Classes of the final `SM`.
    pub fn classes(&self) -> u32 {
        match self.layers.last() {
            Some(&Layer::Softmax { classes }) => classes,
            _ => unreachable!("Net::new accepts only layers that end with SM"),
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.layers)
    }
}

/// Layers that do not make a net.
///
/// Indices count from 0; the messages count layers from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// There is no layer at all.
    #[error("the net has no layers; write at least `[SM(classes)]`")]
    Empty,
    /// There are more than [`MAX_LAYERS`] layers.
    #[error("the net has {layers} layers; write at most {MAX_LAYERS}")]
    TooManyLayers {
        /// Number of layers.
        layers: usize,
    },
    /// The last layer is not `SM`.
    #[error("layer {}, `{layer}`, is the last one; end the net with `SM(classes)`", .index + 1)]
    MissingSoftmax {
        /// Index of the last layer.
        index: usize,
        /// The last layer.
        layer: Layer,
    },
    /// A layer follows `SM`.
    #[error("layer {}, `{layer}`, follows `SM`; `SM` is the last layer and occurs once", .index + 1)]
    AfterSoftmax {
        /// Index of the first layer after `SM`.
        index: usize,
        /// The first layer after `SM`.
        layer: Layer,
    },
    /// A convolution, residual block or pooling layer follows a fully connected one.
    #[error("layer {}, `{layer}`, follows `FC`; only `FC` and `SM` may, so move it before the first `FC`", .index + 1)]
    EncoderAfterLinear {
        /// Index of the encoder layer.
        index: usize,
        /// The encoder layer.
        layer: Layer,
    },
    /// A number that must be positive is 0.
    #[error("layer {}, `{layer}`: the {name} is 0; write at least 1", .index + 1)]
    Zero {
        /// Index of the layer.
        index: usize,
        /// The layer.
        layer: Layer,
        /// Position of the number inside the token's parentheses, from 0.
        position: usize,
        /// What the number means, for example `kernel`.
        name: &'static str,
    },
}

impl NetError {
    /// Index of the offending layer; `None` if the net is empty.
    pub fn index(&self) -> Option<usize> {
        match *self {
            Self::Empty => None,
            Self::TooManyLayers { .. } => Some(MAX_LAYERS),
            Self::MissingSoftmax { index, .. }
            | Self::AfterSoftmax { index, .. }
            | Self::EncoderAfterLinear { index, .. }
            | Self::Zero { index, .. } => Some(index),
        }
    }
}

/// Checks what nets and prefixes have in common: length, order and numbers.
pub(crate) fn check(layers: &[Layer]) -> Result<(), NetError> {
    if layers.len() > MAX_LAYERS {
        return Err(NetError::TooManyLayers { layers: layers.len() });
    }
    let mut previous = None;
    for (index, &layer) in layers.iter().enumerate() {
        match previous {
            Some(Layer::Softmax { .. }) => return Err(NetError::AfterSoftmax { index, layer }),
            Some(Layer::Linear { .. }) if layer.is_encoder() => {
                return Err(NetError::EncoderAfterLinear { index, layer });
            }
            _ => {}
        }
        if let Some((position, name)) = first_zero(layer) {
            return Err(NetError::Zero { index, layer, position, name });
        }
        previous = Some(layer);
    }
    Ok(())
}

/// Position and name of the first number that is 0 and must not be.
fn first_zero(layer: Layer) -> Option<(usize, &'static str)> {
    let numbers: &[(u32, &'static str)] = match layer {
        Layer::Conv { features, kernel, stride, padding: _ } => {
            &[(features, "number of features"), (kernel, "kernel"), (stride, "stride")]
        }
        Layer::Residual { features } => &[(features, "number of features")],
        Layer::MaxPool { size, stride } => &[(size, "window size"), (stride, "stride")],
        Layer::Linear { units } => &[(units, "number of units")],
        Layer::Softmax { classes } => &[(classes, "number of classes")],
    };
    let (position, (_, name)) = numbers.iter().enumerate().find(|(_, (number, _))| *number == 0)?;
    Some((position, name))
}

/// The canonical text: `, ` between layers.
pub(crate) fn write_list(f: &mut fmt::Formatter<'_>, layers: &[Layer]) -> fmt::Result {
    f.write_str("[")?;
    for (index, layer) in layers.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(f, "{separator}{layer}")?;
    }
    f.write_str("]")
}
