//! Deep-prior architecture search: the facade crate.
#![forbid(unsafe_code)]
