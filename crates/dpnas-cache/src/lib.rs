//! Embedding cache: checked files, atomic publication, a byte budget with LRU eviction.
#![forbid(unsafe_code)]
