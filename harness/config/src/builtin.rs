//! The bench that is used if no bench file is given.

/// Its text: it is read like any bench file.
pub(crate) const TEXT: &str = include_str!("builtin.toml");

/// What reports call it.
pub(crate) const NAME: &str = "built-in virtual bench";
