//! Full training of an architecture, encoder and classifier together, on burn tensors.
#![forbid(unsafe_code)]
