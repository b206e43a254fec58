//! The facade with a toy engine instead of burn, so a search takes milliseconds.

#[cfg(feature = "continual")]
mod continual;
mod continuing;
mod deep_prior;
mod device;
mod embed;
mod engine;
#[cfg(feature = "heads")]
mod ensemble;
#[path = "../../../../fixtures/journal.rs"]
mod journal;
mod memory;
mod pandas;
mod published;
#[cfg(feature = "heads")]
mod ridge;
mod runner;
mod scoring;
#[path = "../../../../fixtures/skipped.rs"]
mod skipped;
mod store;
mod store_checksums;
mod weight_draw;
