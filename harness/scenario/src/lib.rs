//! World, steps and runner; the only crate that sees cucumber
