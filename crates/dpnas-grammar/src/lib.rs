//! The architecture grammar: text, net, checked plan with shapes and cost.
//!
//! An architecture goes through three forms: text, [`Net`] (what was written, in an order that can be built) and
//! [`Plan`] (the net on a known input, with every shape and cost checked). Whoever holds a plan needs no further checks.
//!
//! ```
//! use dpnas_grammar::{ImageShape, Net};
//!
//! let net: Net = "[C(32,5,1,2,1), P(4,4,0,0), C(32,3,1,1,0), C(1024,1,1,0,1), C(512,3,1,0,1), SM(10)]".parse()?;
//! let plan = net.plan("1x28x28".parse()?)?;
//! assert_eq!(plan.output(), ImageShape::square(512, 5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | token | layer |
//! |---|---|
//! | `C(features,kernel,stride,padding,1)` | convolution |
//! | `C(features,3,1,1,0)` | residual block |
//! | `P(size,stride,0,0)` | max pooling |
//! | `FC(units)` | fully connected, in the classifier |
//! | `SM(classes)` | the linear classifier, last |

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
