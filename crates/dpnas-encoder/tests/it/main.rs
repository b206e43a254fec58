//! The encoder on two CPU backends: golden values and properties. One binary, because each instantiates both backends.

mod golden;
mod properties;
