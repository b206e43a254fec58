//! What embedding one architecture took.

use dpnas_grammar::Net;

/// What was computed to embed an architecture, and what earlier ones had left of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoding {
    /// The architecture.
    pub net: Net,
    /// Layers of its encoder.
    pub layers: usize,
    /// Of these, the first ones whose maps an earlier architecture had left.
    pub reused_layers: usize,
    /// Multiply-adds of its encoder for one image.
    pub multiply_adds: u64,
    /// Of these, those of the layers that were not computed again.
    pub reused_multiply_adds: u64,
    /// Prefixes whose maps it left for later ones.
    pub kept_prefixes: usize,
    /// Bytes of maps that are kept now.
    pub kept_bytes: u64,
    /// Seconds that drawing, calibrating and encoding took, for the reader alone.
    pub seconds: f64,
}

/// Called after each embedding that was computed; one that came from the cache is none.
pub type EncodingHook = Box<dyn Fn(&Encoding)>;
