//! Latchkey.

/// What the operator decides: every value, its default and its source.
pub mod config;
