#![doc = include_str!("../README.md")]

mod adam;
mod error;
mod ewc;
mod fourier;
mod learner;
mod method;
mod metrics;
mod order;
mod protocol;
mod pseudo;
mod slda;
mod stream;

pub use adam::{Adam, Memory};
pub use error::{LearnError, StreamError};
pub use ewc::Ewc;
pub use fourier::RandomFourier;
pub use learner::{ClosedForm, ClosedFormHead, Learner};
pub use method::{Input, LambdaChoice, Method, MethodSettings, Task, UnknownLambda, UnknownMethod};
pub use metrics::AccuracyMatrix;
pub use order::ClassOrder;
pub use protocol::{Protocol, Rows};
pub use pseudo::PseudoRehearsal;
pub use slda::PublishedSlda;
pub use stream::{Step, Steps, Stream};
