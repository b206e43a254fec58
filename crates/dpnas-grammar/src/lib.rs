#![doc = include_str!("../README.md")]
#![warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod conv;
mod error;
mod excerpt;
mod layer;
mod limits;
mod net;
mod parse;
mod plan;
mod plan_error;
mod prefix;
mod shape;
mod stage;
mod syntax;
mod text;

pub use conv::ConvShape;
pub use error::{ParseError, ParseErrorKind};
pub use layer::Layer;
pub use limits::{Limits, Rejection, Verdict};
pub use net::{MAX_LAYERS, Net, NetError};
pub use parse::MAX_TEXT_BYTES;
pub use plan::Plan;
pub use plan_error::PlanError;
pub use prefix::Prefix;
pub use shape::{ImageShape, ShapeError, window_output};
pub use stage::Stage;
