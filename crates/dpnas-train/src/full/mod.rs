//! The contract of full training: settings, sets of images, errors, and the trait of engines.

mod config;
mod engine;
mod error;
mod examples;
mod schedule;

pub use config::FullConfig;
pub use engine::{Checkpoints, TrainEngine, TrainJob};
pub use error::FullError;
pub use examples::Examples;
pub use schedule::{RateSchedule, UnknownSchedule};
