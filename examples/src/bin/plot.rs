//! plot
fn main() {}
