//! The facade with an engine of its own: no burn, so a search takes milliseconds.

mod deep_prior;
mod embed;
mod engine;
mod runner;
mod store;
