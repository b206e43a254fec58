//! Full training through its public interface.

mod checkpoints;
mod digits;
mod golden;
