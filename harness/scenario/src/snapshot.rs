//! Traffic snapshots: what a board sent and received, without what differs between runs, in files that `cargo insta`
//! reviews.

mod file;
mod redact;
mod trace;

pub(crate) use file::{SnapshotFile, Update, diff};
pub(crate) use redact::Rule;
pub(crate) use trace::trace;
