//! State space, Q-table, schedule, replay buffer: an ask/tell search core.
#![forbid(unsafe_code)]
