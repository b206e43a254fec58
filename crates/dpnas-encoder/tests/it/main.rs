//! The encoder on two CPU backends: golden values, properties and the conformance suite. One binary, because each
//! instantiates both backends.

mod conformance;
mod golden;
#[path = "../../../dpnas-prior/tests/common/plans.rs"]
mod plans;
mod properties;
