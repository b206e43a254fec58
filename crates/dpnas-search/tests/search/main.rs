//! Promises of the search, from the outside.

mod continuing;
mod evolution;
mod interleaving;
mod learning;
mod naive;
mod settings;
mod simulation;
mod space;
mod strategies;
mod telling;
