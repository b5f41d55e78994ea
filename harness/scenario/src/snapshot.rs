//! Traffic snapshots: what a board said and heard, made the same in every run, and kept in files that `cargo insta`
//! reviews.

mod file;
mod redact;
mod trace;

pub(crate) use file::{SnapshotFile, Update, diff};
pub(crate) use redact::Rule;
pub(crate) use trace::trace;
