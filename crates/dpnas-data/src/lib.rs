//! Labelled image sets: readers, the digits inside, synthetic data, split, resize.
#![forbid(unsafe_code)]
