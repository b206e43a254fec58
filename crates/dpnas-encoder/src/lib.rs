//! Plan to frozen random encoder on burn tensors, generic over the backend.
#![forbid(unsafe_code)]
