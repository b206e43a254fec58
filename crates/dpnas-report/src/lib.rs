//! Reward plots as SVG and PNG and the HTML report of a run.
#![forbid(unsafe_code)]
