//! Fused CPU kernels for frozen random encoders.
