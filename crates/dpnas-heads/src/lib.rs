#![doc = include_str!("../README.md")]
#![warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod error;
mod factor;
mod fixed_point;
mod format;
mod gaussian;
mod gram;
mod lda;
mod linear;
mod moments;
mod press;
mod projection;
mod ridge;
mod solve;
mod statistics;
mod sums;

pub use error::{HeadError, check_rows};
pub use fixed_point::FixedPoint;
pub use gaussian::ClassGaussians;
pub use lda::{Shrinkage, lda, nearest_class_mean, shrunk_discriminant};
pub use linear::LinearHead;
pub use press::{LeaveOneOut, RowKernel, leave_one_out, leave_one_out_memory};
pub use projection::Projection;
pub use ridge::{Lambda, ridge};
pub use solve::Solution;
pub use statistics::Statistics;
