#![doc = include_str!("../README.md")]

mod adam;
mod error;
mod fourier;
mod learner;
mod metrics;
mod order;
mod protocol;
mod slda;
mod stream;

pub use adam::{Adam, Memory};
pub use error::{LearnError, StreamError};
pub use fourier::RandomFourier;
pub use learner::{ClosedForm, Learner, Method};
pub use metrics::AccuracyMatrix;
pub use order::ClassOrder;
pub use protocol::{Rows, learn};
pub use slda::PublishedSlda;
pub use stream::{Step, Steps, Stream};
