//! The linear classifier on an embedding, trained without an autodiff graph.
#![forbid(unsafe_code)]
