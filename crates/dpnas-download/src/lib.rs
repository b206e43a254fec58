//! Files from the web: resumed after a break, checked, never half under their final name.
#![forbid(unsafe_code)]
