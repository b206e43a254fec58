//! Random weights of a plan, calibration statistics and the contract of an encoder engine.
#![forbid(unsafe_code)]
