//! A crate that brings a step of its own; see `tests/features.rs`.
